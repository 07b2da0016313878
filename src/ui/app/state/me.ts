// Who is signed in, and what others are called.

import { signal } from '@preact/signals'
import { Failure, call, onSignedOut } from '../api'
import { t } from '../words'
import type { Author, Device, Me, Page } from '../types'
import { kept } from './kept'

/** `undefined`: not known yet. `null`: nobody. */
export const me = signal<Me | null | undefined>(undefined)

export const devices = signal<Device[]>([])
/** What keys are called, as far as one may know. */
export const keyNames = signal<Map<string, string>>(new Map())

/** Whose drafts and unsent messages lie in this browser's store: they outlive a sign-in that ended by itself. */
const last = kept('owner', '')

onSignedOut(() => {
  forgetNames()
  me.value = null
})

export async function whoAmI(): Promise<void> {
  try {
    await letIn(await call<Me>('GET', '/me', undefined, { quiet: true }))
  } catch (error) {
    if (error instanceof Failure && error.status === 401) me.value = null
    else throw error
  }
}

export async function signIn(body: { link: string } | { key: string }): Promise<void> {
  await letIn(await call<Me>('POST', '/login', body, { quiet: true }))
}

/** Somebody else than before finds nothing of theirs. */
async function letIn(who: Me): Promise<void> {
  if (last.value && last.value !== who.owner_id) await leaveNothing()
  last.value = who.owner_id
  me.value = who
  void learnNames()
}

const asked = new Set<string>()

const leaving = new Set<() => void | Promise<void>>()

/** Called when somebody leaves by themselves: what they wrote and looked for leaves with them. */
export function onLeave(listener: () => void | Promise<void>): void {
  leaving.add(listener)
}

export async function signOut(everywhere: boolean): Promise<void> {
  try {
    await (everywhere ? call('DELETE', '/devices') : call('POST', '/logout', undefined, { quiet: true }))
  } catch (error) {
    // Let go of from elsewhere already: whoever leaves has left.
    if (!(error instanceof Failure) || error.status !== 401) throw error
  }
  await signOutHere()
}

/** Where the server has let go of this browser already. */
export async function signOutHere(): Promise<void> {
  const left = leaveNothing()
  forgetNames()
  me.value = null
  await left
}

async function leaveNothing(): Promise<void> {
  last.value = ''
  await Promise.allSettled([...leaving].map(async (leave) => leave()))
}

function forgetNames(): void {
  devices.value = []
  keyNames.value = new Map()
  asked.clear()
}

export async function loadDevices(): Promise<void> {
  devices.value = (await call<Page<Device>>('GET', '/devices')).items
}

export function keyName(id: string): string | undefined {
  return keyNames.value.get(id)
}

let learning: Promise<void> | null = null

function learnNames(): Promise<void> {
  learning ??= (async () => {
    try {
      await loadDevices()
      const named = await call<Page<{ id: string; name: string }>>('GET', '/keys?limit=1000')
      keyNames.value = new Map(named.items.map((key) => [key.id, key.name]))
    } catch {
      // A viewer may not list keys; then they go by their kind.
    } finally {
      learning = null
    }
  })()
  return learning
}

/** What people call whoever did something. */
export function nameOf(by: Author): string {
  const id = by.id ?? ''
  switch (by.type) {
    case 'device': {
      const device = devices.value.find((one) => one.id === id)
      if (device?.current) return t('by.you')
      if (device) return device.name
      break
    }
    case 'key': {
      const name = keyName(id)
      if (name) return t('by.key', { name })
      break
    }
    case 'worker':
      return t('by.terminal')
    default:
      return t('by.server')
  }
  // Somebody who came since: asked once for each.
  if (id && !asked.has(id)) {
    asked.add(id)
    void learnNames()
  }
  return t(by.type === 'device' ? 'by.device' : 'by.somebody')
}

/** The same with the name of the device, also where it is this one: for those who look up who did what. */
export function deviceOf(by: Author): string {
  if (by.type === 'worker') return t('by.agent')
  const device = by.type === 'device' ? devices.value.find((one) => one.id === by.id) : undefined
  return device?.current ? t('by.you.on', { device: device.name }) : nameOf(by)
}
