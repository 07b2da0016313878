// What was said and is not there yet. Kept over reloads with the id that makes sending it twice the same as once, and
// can be taken back until it is there.

import { signal } from '@preact/signals'
import { Failure, call, pause, uuid } from '../api'
import type { Decide, Winner } from '../types'
import { kept } from './kept'
import { me } from './me'

interface Kept {
  id: string
  session: string
  /** Whose it is: on a shared device it must not go out as somebody else's. */
  owner: string
  at: string
  failed?: string
  /** It is durable there; kept until the conversation shows it. */
  done?: boolean
}

export interface SaidLater extends Kept {
  kind: 'message'
  text: string
}

export interface DecidedLater extends Kept {
  kind: 'decision'
  request: string
  body: Decide
  /** Somebody else was first. */
  winner?: Winner
}

export type Later = SaidLater | DecidedLater

export const outbox = kept<Later[]>('outbox', [])
/** Why nothing goes out at the moment. */
export const stuck = signal(false)

const owner = () => me.value?.owner_id ?? ''

function change(id: string, to: (item: Later) => Later | null): void {
  outbox.value = outbox.value.flatMap((item) => {
    if (item.id !== id) return [item]
    const next = to(item)
    return next ? [next] : []
  })
}

export function say(session: string, text: string): void {
  outbox.value = [...outbox.value, { kind: 'message', id: uuid(), owner: owner(), session, text, at: new Date().toISOString() }]
  void drain()
}

export function decide(session: string, request: string, body: Decide): void {
  const others = outbox.value.filter((item) => !(item.kind === 'decision' && item.request === request))
  outbox.value = [...others, { kind: 'decision', id: uuid(), owner: owner(), session, request, body, at: new Date().toISOString() }]
  void drain()
}

/** Takes something back that is not on its way. */
export function drop(id: string): void {
  change(id, () => null)
}

export function retry(id: string): void {
  change(id, (item) => {
    const { failed: _, ...rest } = item
    return rest as Later
  })
  void drain()
}

/** The conversation shows it: what was kept of it may go. */
export function arrived(id: string): void {
  if (outbox.value.some((item) => item.id === id)) drop(id)
}

export function settled(session: string, request: string): void {
  for (const item of outbox.value) {
    if (item.kind === 'decision' && item.session === session && item.request === request) drop(item.id)
  }
}

async function send(item: Later): Promise<void> {
  const session = `/sessions/${item.session}`
  if (item.kind === 'message') {
    await call('POST', `${session}/messages`, { content: item.text, message_id: item.id }, { once: item.id })
  } else {
    const path = `${session}/permissions/${encodeURIComponent(item.request)}`
    await call('POST', path, item.body, { once: item.id })
  }
}

let draining = false
const forever = new AbortController().signal

/** Sends what waits, in order. A message that the server refuses does not hold up the ones behind it. */
export async function drain(): Promise<void> {
  if (draining) return
  draining = true
  try {
    for (let attempt = 0; ; ) {
      const next = outbox.value.find((item) => !item.failed && !item.done && item.owner === owner())
      if (!next) return
      try {
        await send(next)
        attempt = 0
        stuck.value = false
        change(next.id, (item) => ({ ...item, done: true }))
        // Where the session is not open nobody waits to see it.
        setTimeout(() => arrived(next.id), 60_000)
      } catch (error) {
        const failure = error as Failure
        if (failure.isPassing || failure.status === 401) {
          stuck.value = true
          await pause(attempt++, forever)
        } else {
          change(next.id, (item) => {
            const winner = failure.problem?.winner
            const failed = { ...item, failed: failure.message }
            return item.kind === 'decision' && winner ? { ...failed, winner } : failed
          })
        }
      }
    }
  } finally {
    draining = false
    stuck.value = false
  }
}

addEventListener('online', () => void drain())
