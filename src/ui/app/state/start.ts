// A session that is about to be begun: what is chosen, kept until it is there, and asked for once however often it is sent.

import { computed, effect, signal } from '@preact/signals'
import { call, Failure, uuid } from '../api'
import { plain } from '../text/plain'
import { ago, t } from '../words'
import type { Environment, Offers, Session } from '../types'
import { kept } from './kept'
import { machineOf } from './list'
import { now } from './look'
import { me, onLeave } from './me'
import { clockOffsetMs, environments, known, reach } from './overview'
import { go, place } from './place'

interface Draft {
  environment: string
  /** Empty: the environment's own. */
  directory: string
  mode: string
  model: string
  text: string
  /** Under which id it is asked for; another one as soon as something else is asked for. */
  once: string
}

const FRESH: Draft = { environment: '', directory: '', mode: '', model: '', text: '', once: '' }

export const draft = kept<Draft>('start', FRESH)
export const offers = signal<{ of: string; is: Offers | null; why: string } | null>(null)
export const starting = signal(false)
export const failed = signal('')

export function change(part: Partial<Draft>): void {
  failed.value = ''
  draft.value = { ...draft.value, ...part, once: '' }
}

onLeave(() => {
  draft.value = FRESH
})

/** Machines that can be chosen stand first, then those seen last. */
export const choices = computed(() =>
  [...environments.value].sort((one, other) => {
    const online = Number(other.status === 'online') - Number(one.status === 'online')
    return online || one.machine_name.localeCompare(other.machine_name) || one.directory.localeCompare(other.directory)
  }),
)

export const chosen = computed<Environment | undefined>(() => machineOf.value.get(draft.value.environment))

export function choose(environment: string): void {
  if (environment !== draft.value.environment) change({ environment, directory: '', mode: '', model: '' })
}

// A link that names a machine chooses it; with only one that is there, there is nothing to choose.
effect(() => {
  if (place.value.name !== 'new' || !known.value) return
  const asked = place.value.environment
  const online = choices.value.filter((one) => one.status === 'online')
  if (asked && machineOf.value.has(asked) && asked !== linked) {
    linked = asked
    choose(asked)
  } else if (!draft.peek().environment && online.length === 1) choose(online[0]!.id)
})
let linked = ''

/** Changes with what the environment may offer: that it is there, and that it has new sessions. */
const offeredBy = computed(() => (place.value.name === 'new' ? `${draft.value.environment} ${chosen.value?.status} ${chosen.value?.changed_at} ${reach.value}` : ''))

effect(() => {
  void offeredBy.value
  const id = draft.peek().environment
  if (!id || !chosen.peek() || place.peek().name !== 'new') return
  const { abort, signal: ended } = control()
  void (async () => {
    try {
      const detail = await call<{ offers: Offers }>('GET', `/environments/${id}`, undefined, { signal: ended })
      offers.value = { of: id, is: detail.offers, why: '' }
      drop(detail.offers)
    } catch (error) {
      if (ended.aborted) return
      if (!(error instanceof Failure)) throw error
      offers.value = { of: id, is: null, why: error.status === 0 ? t('error.offline') : error.message }
    }
  })()
  return abort
})

function control() {
  const controller = new AbortController()
  return { abort: () => controller.abort(), signal: controller.signal }
}

/** What was chosen before and is not offered any more is not chosen any more. */
function drop(offered: Offers): void {
  const { mode, model, directory } = draft.peek()
  if (mode && !offered.modes.some((one) => one.id === mode)) change({ mode: '' })
  if (model && !offered.any_model && !offered.models.some((one) => one.id === model)) change({ model: '' })
  if (directory && !offered.any_directory) change({ directory: '' })
}

export const offered = computed(() => (offers.value?.of === draft.value.environment ? offers.value.is : null))

/** Why it cannot be begun, in words; nothing if it can. */
export const obstacle = computed(() => {
  if (me.value?.role !== 'member' && me.value?.role !== 'admin') return t('new.cannot.viewer')
  if (reach.value === 'lost') return t('new.cannot.offline')
  const machine = chosen.value
  if (!machine) return draft.value.environment && known.value ? t('new.machine.gone') : t('new.cannot.choose')
  if (machine.status !== 'online') {
    return t('new.cannot.away', { machine: plain(machine.machine_name), when: ago(machine.changed_at, now.value + clockOffsetMs.value) })
  }
  const closed = offered.value?.closed
  if (closed) return t(`new.cannot.${closed}`)
  if (draft.value.directory && !/^(\/|[A-Za-z]:[\\/])/.test(draft.value.directory)) return t('new.cannot.path')
  return ''
})

/** Begins it. The server may have done it although the answer was lost: the same id asks for the same one again. */
export async function start(): Promise<void> {
  if (obstacle.value || starting.value) return
  const { environment, directory, mode, model, text } = draft.value
  const once = draft.value.once || uuid()
  draft.value = { ...draft.value, once }
  starting.value = true
  failed.value = ''
  const body = {
    environment_id: environment,
    ...(directory.trim() ? { directory: directory.trim() } : {}),
    ...(mode ? { permission_mode: mode } : {}),
    ...(model.trim() ? { model: model.trim() } : {}),
    ...(text.trim() ? { prompt: text, title: titleOf(text) } : {}),
  }
  try {
    const made = await call<Session>('POST', '/sessions', body, { once })
    // The machine stays chosen; the rest was said.
    draft.value = { ...FRESH, environment, directory, mode, model }
    // Whoever went elsewhere meanwhile finds it in the list.
    if (place.peek().name === 'new') go({ name: 'session', id: made.id }, true)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    failed.value = t('new.failed', { why: error.status === 0 ? t('error.offline') : error.message })
    // A refusal is an answer: what is sent next is another request.
    if (!error.isPassing && error.status !== 401) draft.value = { ...draft.value, once: '' }
  } finally {
    starting.value = false
  }
}

/** What a terminal's agent does as well: the first sentence, until the agent has a better one. */
function titleOf(text: string): string {
  const line = text.trim().split('\n')[0]!
  const sentence = /^.*?[.!?\u3002\uff01\uff1f](?=\s|$)/.exec(line)?.[0] ?? line
  const letters = [...plain(sentence).replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ').trim()]
  return letters.length > 60 ? `${letters.slice(0, 59).join('')}\u2026` : letters.join('') || '\u2026'
}
