// What was found in conversations: each leads to where it was said.

import { Bot, MessageSquare, SquareTerminal, Tag } from 'lucide-preact'
import { further, found } from '../state/found'
import { status } from '../state/list'
import { now } from '../state/look'
import { clockOffsetMs, sessions } from '../state/overview'
import { follow } from '../state/place'
import { plain } from '../text/plain'
import { ago, t } from '../words'
import type { Hit } from '../types'

const ICONS = { person: MessageSquare, agent: Bot, tool: SquareTerminal, title: Tag } as const
const WORDS = { person: 'found.person', agent: 'found.agent', tool: 'found.tool', title: 'found.is.title' } as const

export function Found() {
  const search = found.value
  if (!search) return null
  // The list above shows the titles that it has.
  const hits = search.hits.filter((hit) => hit.from !== 'title' || (status.value !== 'archived' && !sessions.value.has(hit.session_id)))
  const when = search.backTo ? ago(search.backTo, now.value + clockOffsetMs.value) : ''
  return (
    <section class="found" aria-labelledby="found" aria-busy={search.state === 'looking'}>
      <h2 id="found" class="group">{t('found.title')}{hits.length > 0 && <span class="count">{hits.length}</span>}</h2>
      <ul class="cards">
        {hits.map((hit) => <li key={`${hit.session_id}.${hit.sequence ?? 0}`}><HitView hit={hit} /></li>)}
      </ul>
      <p class="small quiet found-end" role="status">
        {search.state === 'looking' ? t('found.looking')
          : search.state === 'failed' ? <span class="bad">{t('home.failed', { why: search.why })}</span>
          : search.next ? (hits.length === 0 ? `${t('found.none.yet')} · ${t('found.back', { when })}` : t('found.back', { when }))
          : hits.length === 0 ? t('found.none') : t('found.all')}
      </p>
      {search.state === 'there' && search.next && <button class="button" onClick={() => void further()}>{t('found.more')}</button>}
      {search.state === 'failed' && <button class="button" onClick={() => void further()}>{t('home.retry')}</button>}
    </section>
  )
}

function HitView({ hit }: { hit: Hit }) {
  const Icon = ICONS[hit.from]
  return (
    <a class="card hit" {...follow({ name: 'session', id: hit.session_id, ...(hit.sequence ? { at: hit.sequence } : {}) })}>
      <span class="session-line small">
        <bdi class="session-title">{plain(hit.title ?? t('home.untitled'))}</bdi>
        {hit.archived && <span class="quiet">{t('found.archived')}</span>}
        <time class="quiet" dateTime={hit.at}>{ago(hit.at, now.value + clockOffsetMs.value)}</time>
      </span>
      <span class="hit-words small">
        <Icon size={14} aria-label={t(WORDS[hit.from])} />
        <bdi class={hit.from === 'tool' ? 'hit-code' : ''}><Marked text={hit.snippet} marks={hit.marks} /></bdi>
      </span>
    </a>
  )
}

/** The words themselves, never as markup. */
function Marked({ text, marks }: { text: string; marks: [number, number][] }) {
  const parts = []
  let from = 0
  for (const [start, end] of marks) {
    if (start > from) parts.push(plain(text.slice(from, start)))
    parts.push(<mark key={start}>{plain(text.slice(start, end))}</mark>)
    from = end
  }
  parts.push(plain(text.slice(from)))
  return <>{parts}</>
}
