// Notifications in this browser: whether they can be, whether they are, and the way there and back.

import { signal } from '@preact/signals'
import { call, Failure } from '../api'
import type { Page, Session, Target } from '../types'
import { kept } from './kept'

export type Push = 'unknown' | 'unsupported' | 'insecure' | 'install' | 'blocked' | 'off' | 'busy' | 'on'

export const push = signal<Push>('unknown')
export const targets = signal<Target[]>([])
/** Somebody switched them on here. A browser that signs in anew is told again; one where they were never is not. */
const wanted = kept('push', false)

/** What can be told without asking anybody. */
function obstacle(): Push | null {
  const isApple = /iPhone|iPad/.test(navigator.userAgent) || (/Macintosh/.test(navigator.userAgent) && navigator.maxTouchPoints > 1)
  if (!isSecureContext) return 'insecure'
  if (!('PushManager' in globalThis) || !('Notification' in globalThis) || !navigator.serviceWorker) {
    return isApple && !matchMedia('(display-mode: standalone)').matches ? 'install' : 'unsupported'
  }
  return Notification.permission === 'denied' ? 'blocked' : null
}

export async function loadTargets(): Promise<void> {
  targets.value = (await call<Page<Target>>('GET', '/notifications/targets')).items
}

/** How it stands. */
export async function look(): Promise<void> {
  const found = obstacle()
  if (found) {
    push.value = found
    return
  }
  const held = await (await worker())?.pushManager.getSubscription()
  push.value = held && Notification.permission === 'granted' && targets.value.some((target) => target.current) ? 'on' : 'off'
}

/** Not `ready`, which never comes where the worker could not be registered. */
async function worker(): Promise<ServiceWorkerRegistration | undefined> {
  return navigator.serviceWorker.getRegistration('/code/')
}

/** From a tap: browsers ask their user, and only then. */
export async function turnOn(): Promise<void> {
  push.value = 'busy'
  try {
    if ((await Notification.requestPermission()) !== 'granted') return
    await subscribe()
    wanted.value = true
    await loadTargets()
  } finally {
    await look()
  }
}

export async function turnOff(): Promise<void> {
  push.value = 'busy'
  wanted.value = false
  try {
    const held = await (await worker())?.pushManager.getSubscription()
    const own = targets.value.find((target) => target.current)
    if (own) await call('DELETE', `/notifications/targets/${own.id}`)
    await held?.unsubscribe()
    await loadTargets()
  } finally {
    await look()
  }
}

async function subscribe(): Promise<void> {
  const { public_key } = await call<{ public_key: string }>('GET', '/notifications/vapid')
  const registration = await worker()
  if (!registration) throw new Error('no service worker')
  let held = await registration.pushManager.getSubscription()
  // Another server's key, or this one's from before it was set up anew: what it pushes would be refused.
  if (held && held.options.applicationServerKey && encoded(held.options.applicationServerKey) !== public_key) {
    await held.unsubscribe()
    held = null
  }
  held ??= await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: public_key })
  const { endpoint, keys } = held.toJSON()
  const body = { kind: 'web_push', endpoint, p256dh: keys?.p256dh, auth: keys?.auth }
  await call('POST', '/notifications/targets', body)
}

function encoded(bytes: ArrayBuffer): string {
  return btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** After a sign-in this browser is another device to the server, and may have got another address meanwhile. */
export async function keepSubscription(): Promise<void> {
  if (!wanted.value || obstacle() || Notification.permission !== 'granted') return
  try {
    await navigator.serviceWorker.ready
    await subscribe()
  } catch (error) {
    // The page says how it stands; here nobody asked.
    if (!(error instanceof Failure)) console.debug(error)
  }
}

/** Takes away what was told of questions that are answered by now. */
export async function closeSettled(sessions: Map<string, Session>): Promise<void> {
  if (!wanted.value || !navigator.serviceWorker) return
  const shown = (await (await worker())?.getNotifications()) ?? []
  for (const one of shown) {
    const session = (one.data as { session?: string } | null)?.session
    const found = session ? sessions.get(session) : undefined
    if (found && found.permissions_open === 0) one.close()
  }
}
