// The list of sessions as it is looked at: what is filtered, what is chosen, and what is done to it.

import { computed, signal } from '@preact/signals'
import { call, Failure } from '../api'
import { t } from '../words'
import type { Environment, Page, Session, SessionStatus } from '../types'
import { environments, sessions } from './overview'

/** What stands in the search field. */
export const query = signal('')
export const machine = signal('')
export const status = signal<SessionStatus | null>(null)

export const GROUPS = ['waiting', 'pinned', 'working', 'idle', 'offline'] as const
export type Group = (typeof GROUPS)[number]

export const machineOf = computed(() => new Map(environments.value.map((one) => [one.id, one])))

/** A machine is a name; its runners come and go, and it is there if one of them is. */
export const machines = computed(() => {
  const named = new Map<string, Environment>()
  for (const one of environments.value) {
    const before = named.get(one.machine_name)
    const isBetter = !before || (before.status !== 'online' && (one.status === 'online' || one.changed_at > before.changed_at))
    if (isBetter) named.set(one.machine_name, one)
  }
  return [...named.values()].sort((one, other) => one.machine_name.localeCompare(other.machine_name))
})

/** Where a session runs, as far as it is known. */
export function directoryOf(session: Session): string {
  const home = session.environment_id ? machineOf.value.get(session.environment_id) : undefined
  return session.directory ?? home?.directory ?? ''
}

/** Filters at once, by what home knows; what was said is another search. */
export function lets(session: Session): boolean {
  const home = session.environment_id ? machineOf.value.get(session.environment_id) : undefined
  if (machine.value && home?.machine_name !== machine.value) return false
  const said = `${session.title ?? ''} ${directoryOf(session)} ${home?.machine_name ?? ''} ${home?.branch ?? ''}`.toLowerCase()
  return query.value.toLowerCase().split(/\s+/).every((word) => said.includes(word))
}

/** What asks stands before what is pinned: a pin is an order, and no alarm. */
function groupOf(session: Session): Group {
  if (session.status === 'waiting') return 'waiting'
  return session.pinned ? 'pinned' : (session.status as Group)
}

export const groups = computed(() => {
  const shown = [...sessions.value.values()].filter((session) => (status.value === null || session.status === status.value) && lets(session))
  return GROUPS.map((group) => ({
    group,
    list: shown
      .filter((session) => groupOf(session) === group)
      // What waits longest stands first; everywhere else, what moved last.
      .sort((one, other) => (group === 'waiting' ? one : other).active_at.localeCompare((group === 'waiting' ? other : one).active_at)),
  })).filter(({ list }) => list.length > 0)
})

export const shownIds = computed(() => groups.value.flatMap(({ list }) => list.map((session) => session.id)))

/** The sessions that something is to be done to; none while nobody selects. */
export const selection = signal<ReadonlySet<string> | null>(null)
/** Those of them that are still there and shown. */
export const selected = computed(() => shownIds.value.filter((id) => selection.value?.has(id)))

export function toggle(id: string): void {
  const next = new Set(selection.value)
  if (!next.delete(id)) next.add(id)
  selection.value = next
}

/** Which row's title is being written. */
export const renaming = signal<string | null>(null)
/** Why the last thing that was asked for was not done. */
export const problem = signal('')

export async function attempt(what: () => Promise<unknown>): Promise<boolean> {
  problem.value = ''
  try {
    await what()
    return true
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    problem.value = error.status === 0 ? t('error.offline') : error.message
    return false
  }
}

/** The row moves when the log says so, not when somebody asked. */
export const pin = (id: string, pinned: boolean) => attempt(() => call('PATCH', `/sessions/${id}`, { pinned }))
export const rename = (id: string, title: string) => attempt(() => call('PATCH', `/sessions/${id}`, { title }))

/** What one request takes. */
const BULK = 500

interface Archived {
  results: { id: string; archived: boolean; problem?: { detail: string } }[]
}

export function archive(ids: readonly string[]): Promise<boolean> {
  return attempt(async () => {
    const results: Archived['results'] = []
    for (let from = 0; from < ids.length; from += BULK) {
      results.push(...(await call<Archived>('POST', '/sessions/archive', { ids: ids.slice(from, from + BULK) })).results)
    }
    const failed = results.filter((one) => !one.archived)
    selection.value = failed.length > 0 ? new Set(failed.map((one) => one.id)) : null
    if (failed.length > 0) {
      const why = failed[0]!.problem?.detail ?? ''
      problem.value = t('select.some', { n: results.length - failed.length, of: results.length, why })
    }
  })
}

/** What was put away, page by page. */
export const archived = signal<{ items: Session[]; next: string | null; state: 'loading' | 'there' | 'failed'; why: string }>({ items: [], next: null, state: 'there', why: '' })

let asking = new AbortController()

export async function loadArchived(from: string | null): Promise<void> {
  asking.abort()
  const { signal } = (asking = new AbortController())
  const before = from ? archived.value.items : []
  archived.value = { ...archived.value, items: before, state: 'loading' }
  const named = new URLSearchParams({ archived: 'true', limit: '50', ...(query.value.trim() ? { q: query.value.trim() } : {}), ...(from ? { cursor: from } : {}) })
  try {
    const page = await call<Page<Session>>('GET', `/sessions?${named}`, undefined, { signal })
    archived.value = { items: [...before, ...page.items], next: page.next ?? null, state: 'there', why: '' }
  } catch (error) {
    if (signal.aborted) return
    if (!(error instanceof Failure)) throw error
    archived.value = { items: before, next: from, state: 'failed', why: error.status === 0 ? t('error.offline') : error.message }
  }
}
