// The app as an app: its shell kept for when there is no network, a newer one taken when the user says so, and its
// place on the home screen offered when they ask for it.

import { signal } from '@preact/signals'

/** Chromium's offer to install. Kept until somebody asks: a prompt that comes by itself is clicked away. */
interface InstallPrompt extends Event {
  prompt: () => Promise<void>
  userChoice: Promise<{ outcome: 'accepted' | 'dismissed' }>
}

const offer = signal<InstallPrompt | null>(null)
/** How to come to a newer version, where there is one. */
export const newer = signal<(() => void) | null>(null)

export type Installing = 'done' | 'ready' | 'ios' | 'by-hand'

export const installed = signal(matchMedia('(display-mode: standalone)').matches || isIosApp())

function isIosApp(): boolean {
  return (navigator as Navigator & { standalone?: boolean }).standalone === true
}

/** What the user can do on this browser. */
export function installing(): Installing {
  if (installed.value) return 'done'
  if (offer.value) return 'ready'
  // An iPad says that it is a Mac; a Mac has no touch screen.
  const isIos = /iPhone|iPad|iPod/.test(navigator.userAgent) || (/Mac/.test(navigator.userAgent) && navigator.maxTouchPoints > 1)
  return isIos ? 'ios' : 'by-hand'
}

/** Asks the browser to ask the user. Good once for each offer. */
export async function install(): Promise<void> {
  const asking = offer.value
  if (!asking) return
  offer.value = null
  await asking.prompt()
  if ((await asking.userChoice).outcome === 'accepted') installed.value = true
}

addEventListener('beforeinstallprompt', (event) => {
  event.preventDefault()
  offer.value = event as InstallPrompt
})

addEventListener('appinstalled', () => {
  offer.value = null
  installed.value = true
})

/** Looked for by the browser with every load; a page that stays open for days has to ask. */
const LOOK_MS = 60 * 60_000

export function beInstalled(): void {
  if (!('serviceWorker' in navigator) || !import.meta.env.PROD) return
  addEventListener('load', () => void keepShell().catch(() => undefined))
}

async function keepShell(): Promise<void> {
  const workers = navigator.serviceWorker
  const registration = await workers.register('/code/sw.js', { scope: '/code/', updateViaCache: 'none' })
  const offerWhenReady = (worker: ServiceWorker | null) => {
    const look = () => {
      // Without a worker in charge this is the first one, which replaces nothing.
      if (worker?.state === 'installed' && workers.controller) newer.value = () => takeOver(worker)
    }
    look()
    worker?.addEventListener('statechange', look)
  }
  offerWhenReady(registration.waiting)
  registration.addEventListener('updatefound', () => offerWhenReady(registration.installing))
  // Another tab let the newer one in: what this page has not fetched yet is gone.
  let hadOne = workers.controller !== null
  workers.addEventListener('controllerchange', () => {
    if (hadOne) newer.value = () => location.reload()
    hadOne = true
  })
  let looked = Date.now()
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState !== 'visible' || Date.now() - looked < LOOK_MS) return
    looked = Date.now()
    void registration.update().catch(() => undefined)
  })
}

/** Drafts and what waits to be sent are kept outside the page, so nothing is lost with it. */
function takeOver(worker: ServiceWorker): void {
  navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true })
  worker.postMessage('take-over')
}
