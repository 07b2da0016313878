// What another app shared: it becomes the draft of a session that is chosen here, and goes nowhere by itself.

import { Share2 } from 'lucide-preact'
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { drafts } from '../state/look'
import { known, sessions } from '../state/overview'
import { follow, go } from '../state/place'
import { plain } from '../text/plain'
import { t } from '../words'
import { Dot, stateWords } from './home'

/** Far more than a link with a remark; a draft is kept in the browser's own small store. */
const SHARED_CHARACTERS_MAX = 100_000

function shared(): string {
  const given = new URLSearchParams(location.search)
  const parts = ['title', 'text', 'url'].map((name) => given.get(name)?.trim() ?? '')
  // Many apps put the address into the text as well.
  const distinct = parts.filter((part, at) => part && !parts.some((other, index) => index > at && other.includes(part)))
  return distinct.filter((part, at) => !distinct.some((other, index) => index < at && other.includes(part))).join('\n').slice(0, SHARED_CHARACTERS_MAX)
}

export function Share() {
  const text = useSignal('')
  useEffect(() => {
    text.value = shared()
    // Out of the address bar and the history, where it would be shared again.
    history.replaceState(null, '', location.pathname)
  }, [])
  const list = [...sessions.value.values()].sort((one, other) => other.active_at.localeCompare(one.active_at))
  const give = (id: string) => {
    const draft = drafts.value[id]
    drafts.value = { ...drafts.value, [id]: draft ? `${draft}\n${text.value}` : text.value }
    go({ name: 'session', id }, true)
  }
  return (
    <div class="page">
      <header class="talk-head">
        <h1 class="page-title"><Share2 size={20} aria-hidden="true" /> {t('share.title')}</h1>
        <a class="button" {...follow({ name: 'home' })}>{t('share.cancel')}</a>
      </header>
      <div class="page-body">
        {text.value ? (
          <>
            <blockquote class="shared" dir="auto" tabIndex={0}>{plain(text.value)}</blockquote>
            <p class="quiet">{t('share.what')}</p>
            {list.length === 0 && <p class="quiet">{t(known.value ? 'share.none' : 'home.loading')}</p>}
            <ul class="rows">
              {list.map((session) => (
                <li key={session.id}>
                  <button class="row row-button" onClick={() => give(session.id)}>
                    <Dot status={session.status} />
                    <span class="row-text">
                      <bdi class="row-title">{plain(session.title ?? t('home.untitled'))}</bdi>
                      <span class="quiet small">{stateWords(session)}</span>
                    </span>
                  </button>
                </li>
              ))}
            </ul>
          </>
        ) : <p class="quiet">{t('share.nothing')}</p>}
      </div>
    </div>
  )
}
