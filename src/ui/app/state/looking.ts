// Whether somebody looks at this page: it is seen, and was touched lately. Whoever looks gets no notification; a screen
// that was left on must not keep the phone in their pocket silent.

import { signal } from '@preact/signals'

/** A page that was not touched for so long is looked at by nobody. */
const UNTOUCHED_MS = 180_000

export const looking = signal(!document.hidden)

let timer: ReturnType<typeof setTimeout> | undefined
let touched = 0

function touch(): void {
  if (document.hidden) return leave()
  if (looking.value && Date.now() - touched < 1_000) return
  touched = Date.now()
  looking.value = true
  clearTimeout(timer)
  timer = setTimeout(leave, UNTOUCHED_MS)
}

function leave(): void {
  clearTimeout(timer)
  looking.value = false
}

for (const name of ['pointerdown', 'pointermove', 'keydown', 'wheel', 'focus']) addEventListener(name, touch, { passive: true })
document.addEventListener('visibilitychange', touch)
addEventListener('pagehide', leave)
addEventListener('pageshow', touch)
touch()
