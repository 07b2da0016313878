import { effect } from '@preact/signals'
import { render } from 'preact'
import './style/base.css'
import './style/shell.css'
import './style/talk.css'
import './style/ask.css'
import './style/notify.css'
import './style/attach.css'
import './style/replay.css'
import './style/home.css'
import { App } from './view/app'
import { keepFocus } from './view/focus'
import { me, onLeave, whoAmI } from './state/me'
import { forgetOverview, known, reach, sessions, waitingCount, watchOverview } from './state/overview'
import { drain, forgetOutbox } from './state/outbox'
import { drafts } from './state/look'
import './state/shortcuts'
import { pause } from './api'
import { goTo, place } from './state/place'
import { closeSettled, keepSubscription } from './state/push'
import { beInstalled } from './state/installed'

effect(() => {
  if (me.value) {
    watchOverview()
    void drain()
    void keepSubscription()
  } else if (me.value === null) forgetOverview()
})

effect(() => {
  const count = waitingCount.value
  document.title = count > 0 ? `(${count}) RCS` : 'RCS'
  const badge = navigator as Navigator & { setAppBadge?: (n: number) => Promise<void> }
  void badge.setAppBadge?.(count).catch(() => undefined)
})

effect(() => {
  if (known.value) void closeSettled(sessions.value)
})

navigator.serviceWorker?.addEventListener('message', (event) => {
  const { go } = event.data as { go?: string }
  if (go) goTo(go)
})

/** The server may be on its way up: the shell is shown from the cache, and asks until somebody answers. */
async function begin(): Promise<void> {
  // A link lets in whom it is given to, also where somebody else is signed in.
  if (place.value.name === 'login' && location.hash) {
    me.value = null
    return
  }
  const forever = new AbortController().signal
  for (let attempt = 0; me.value === undefined; attempt++) {
    try {
      await whoAmI()
    } catch {
      reach.value = 'lost'
      await pause(attempt, forever)
    }
  }
}

onLeave(async () => {
  drafts.value = {}
  await forgetOutbox()
})

void begin()
const root = document.getElementById('app')!
keepFocus(root)
render(<App />, root)

beInstalled()
