// All sessions and machines, as the server tells them: what home and the inbox are drawn from.

import { computed, signal } from '@preact/signals'
import { Failure, pause, readStream } from '../api'
import type { Environment, Overview, Session } from '../types'
import { looking } from './looking'

export const sessions = signal<Map<string, Session>>(new Map())
export const environments = signal<Environment[]>([])
/** Whether what is shown is what is. */
export const reach = signal<'connecting' | 'live' | 'lost'>('connecting')
/** Our clock against the server's, for "3 min ago". */
export const clockOffsetMs = signal(0)
export const known = signal(false)

export const waiting = computed(() =>
  [...sessions.value.values()]
    .filter((session) => session.permissions_open > 0)
    .sort((one, other) => one.active_at.localeCompare(other.active_at)),
)
export const waitingCount = computed(() => waiting.value.reduce((sum, session) => sum + session.permissions_open, 0))

function take(overview: Overview): void {
  const next = overview.whole ? new Map<string, Session>() : new Map(sessions.value)
  for (const session of overview.sessions) {
    if (session.archived_at) next.delete(session.id)
    else next.set(session.id, session)
  }
  sessions.value = next
  if (overview.environments) environments.value = overview.environments
  clockOffsetMs.value = Date.parse(overview.now) - Date.now()
  known.value = true
}

let running: AbortController | null = null

export function watchOverview(): void {
  if (running) return
  const { signal } = (running = new AbortController())
  void (async () => {
    for (let attempt = 0; !signal.aborted; attempt++) {
      // The server is told whether somebody looks by how the stream was asked for: when that changes, it is asked anew.
      const said = looking.value
      const turned = new AbortController()
      const forget = looking.subscribe((now) => now !== said && turned.abort())
      try {
        await readStream(
          `/overview?looking=${said}`,
          AbortSignal.any([signal, turned.signal]),
          () => {
            reach.value = 'live'
            attempt = 0
          },
          (frame) => {
            if (frame.event === 'overview') take(JSON.parse(frame.data) as Overview)
          },
        )
      } catch (error) {
        if (error instanceof Failure && error.status === 401) return
      } finally {
        forget()
      }
      if (signal.aborted) return
      if (turned.signal.aborted) continue
      reach.value = 'lost'
      await pause(attempt, signal)
    }
  })()
}

export function forgetOverview(): void {
  running?.abort()
  running = null
  sessions.value = new Map()
  environments.value = []
  known.value = false
  reach.value = 'connecting'
}
