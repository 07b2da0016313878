// The frame of every screen: who is in, where they are, what waits for them.

import { Inbox, Menu as MenuIcon, WifiOff } from 'lucide-preact'
import { useSignal } from '@preact/signals'
import { me } from '../state/me'
import { known, reach, waiting, waitingCount } from '../state/overview'
import { follow, go, place } from '../state/place'
import { t } from '../words'
import { Home } from './home'
import { Banners } from './banners'
import { Later } from './later'
import { Login } from './login'
import { Menu } from './menu'
import { Dialogs } from './dialog'
import { Notifications } from './notifications'
import { Share } from './share'
import { Shortcuts } from './shortcuts'
import { Start } from './start'
import { Talk } from './talk'

const admin = () => import('./admin').then((part) => part.Admin)
const replay = () => import('./replay').then((part) => part.Replayed)

export function App() {
  if (me.value === null) return <Login />
  if (me.value === undefined) {
    return (
      <main class="alone" aria-busy="true">
        <p class="quiet">{t(reach.value === 'lost' ? 'reach.lost' : 'home.loading')}</p>
      </main>
    )
  }
  const here = place.value
  if (here.name === 'login') {
    go({ name: 'home' }, true)
    return null
  }
  if (here.name === 'waiting') {
    // A shortcut of the home screen: to whom waits longest, once it is known who waits.
    const next = waiting.value[0]
    if (known.value) go(next ? { name: 'session', id: next.id } : { name: 'home' }, true)
    return <main class="alone" aria-busy="true"><p class="quiet">{t('home.loading')}</p></main>
  }
  const isHome = here.name === 'home'
  return (
    <>
      <a class="skip" href="#content" onClick={(event) => { event.preventDefault(); document.getElementById('content')?.focus() }}>{t('app.skip')}</a>
      <Top />
      <Banners />
      <div class={`panes ${isHome ? 'at-home' : 'at-depth'}`}>
        <aside class="list-pane" aria-label={t('home.title')}>
          <Home />
        </aside>
        <main id="content" tabIndex={-1} class="main-pane">
          {here.name === 'replay' ? <Later key={here.id} of={replay} /> : here.name === 'session' ? <Talk key={here.id} id={here.id} /> : here.name === 'devices' || here.name === 'admin' ? <Later of={admin} /> : here.name === 'share' ? <Share /> : here.name === 'new' ? <Start /> : here.name === 'notifications' ? <Notifications /> : (
            <p class="quiet nothing-chosen">{t('home.select')}</p>
          )}
        </main>
      </div>
      <Dialogs />
      <Shortcuts />
    </>
  )
}

function Top() {
  const open = useSignal(false)
  return (
    <header class="top">
      <a class="brand" {...follow({ name: 'home' })} aria-label={`${t('app.name')}: ${t('session.back')}`}>
        <Mark />
        <span>{t('app.name')}</span>
      </a>
      <InboxPill />
      <span class="spring" />
      {reach.value === 'lost' && (
        <span class="cut" role="status">
          <WifiOff size={16} aria-hidden="true" />
          <span class="cut-long">{t('reach.lost')}</span>
          <span class="cut-short">{t('reach.lost.short')}</span>
        </span>
      )}
      <button class="icon-button" aria-label={t('menu.open')} aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
        <MenuIcon size={20} aria-hidden="true" />
      </button>
      {open.value && <Menu close={() => (open.value = false)} />}
    </header>
  )
}

/** What waits for a human, on every screen; a tap opens the one that waits longest. */
function InboxPill() {
  const count = waitingCount.value
  if (count === 0) {
    return (
      <span class="pill pill-none">
        <Inbox size={16} aria-hidden="true" />
        <span class="sr">{t('inbox.none')}</span>
      </span>
    )
  }
  const here = place.value
  const next = waiting.value.find((session) => here.name !== 'session' || session.id !== here.id) ?? waiting.value[0]!
  return (
    <a class="pill pill-some" {...follow({ name: 'session', id: next.id })} title={t('inbox.open')}>
      <Inbox size={16} aria-hidden="true" />
      <span>{t('inbox.waiting', { n: count })}</span>
    </a>
  )
}

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="var(--accent)" />
      <path d="M8 21.5 13.5 16 8 10.5" fill="none" stroke="var(--on-accent)" stroke-width="3" stroke-linecap="round" stroke-linejoin="round" />
      <circle cx="21.5" cy="16" r="3.6" fill="var(--on-accent)" />
    </svg>
  )
}
