// All sessions, those that need a human first.

import { GitBranch, Search } from 'lucide-preact'
import { computed, signal } from '@preact/signals'
import { now } from '../state/look'
import { clockOffsetMs, environments, known, sessions } from '../state/overview'
import { follow, place } from '../state/place'
import { plain } from '../text/plain'
import { ago, t } from '../words'
import type { Environment, Session, SessionStatus } from '../types'

const filter = signal('')
const machine = signal('')

const GROUPS = ['waiting', 'working', 'idle', 'offline'] as const

const machineOf = computed(() => new Map(environments.value.map((one) => [one.id, one])))

/** A machine is a name and a directory; its runners come and go. */
const machines = computed(() => {
  const named = new Map<string, Environment>()
  for (const one of environments.value) {
    const known = named.get(one.machine_name)
    if (!known || (known.status !== 'online' && one.status === 'online')) named.set(one.machine_name, one)
  }
  return [...named.values()].sort((one, other) => one.machine_name.localeCompare(other.machine_name))
})

function lets(session: Session): boolean {
  const home = session.environment_id ? machineOf.value.get(session.environment_id) : undefined
  if (machine.value && home?.machine_name !== machine.value) return false
  const words = filter.value.trim().toLowerCase()
  const said = `${session.title ?? ''} ${home?.directory ?? ''} ${home?.machine_name ?? ''} ${home?.branch ?? ''}`
  return said.toLowerCase().includes(words)
}

const groups = computed(() => {
  const shown = [...sessions.value.values()].filter(lets)
  return GROUPS.map((status) => ({
    status,
    list: shown
      .filter((session) => session.status === status)
      // What waits longest stands first; everywhere else, what moved last.
      .sort((one, other) => (status === 'waiting' ? one : other).active_at.localeCompare((status === 'waiting' ? other : one).active_at)),
  })).filter((group) => group.list.length > 0)
})

export function Home() {
  return (
    <div class="home">
      <h1 class="sr">{t('home.title')}</h1>
      <div class="search">
        <Search size={18} aria-hidden="true" />
        <input type="search" class="field" aria-label={t('home.filter')} placeholder={t('home.filter')} value={filter.value} onInput={(event) => (filter.value = event.currentTarget.value)} />
      </div>
      <Machines />
      {!known.value ? <p class="quiet centre">{t('home.loading')}</p> : sessions.value.size === 0 ? <Empty /> : groups.value.length === 0 ? (
        <p class="quiet centre">{t('home.nomatch', { text: filter.value || machine.value })}</p>
      ) : groups.value.map((group) => (
        <section key={group.status} aria-labelledby={`group-${group.status}`}>
          <h2 id={`group-${group.status}`} class="group">
            <Dot status={group.status} />
            {t(`home.${group.status}`)}
            <span class="count">{group.list.length}</span>
          </h2>
          <ul class="cards">
            {group.list.map((session) => <Row key={session.id} session={session} />)}
          </ul>
        </section>
      ))}
    </div>
  )
}

function Machines() {
  if (machines.value.length === 0) return null
  const pick = (name: string) => () => (machine.value = machine.value === name ? '' : name)
  return (
    <div class="machines" role="group" aria-label={t('home.machines')}>
      {machines.value.map((one) => {
        const state = one.status === 'online' ? t('machine.online') : t('machine.offline', { when: ago(one.changed_at, now.value + clockOffsetMs.value) })
        return (
          <button key={one.machine_name} class="chip" aria-pressed={machine.value === one.machine_name} onClick={pick(one.machine_name)} title={state}>
            <span class={`health health-${one.status}`} aria-hidden="true" />
            {plain(one.machine_name)}
            <span class="sr">, {state}</span>
          </button>
        )
      })}
    </div>
  )
}

function Row({ session }: { session: Session }) {
  const home = session.environment_id ? machineOf.value.get(session.environment_id) : undefined
  const here = place.value
  const isHere = here.name === 'session' && here.id === session.id
  return (
    <li>
      <a class={`card session-card is-${session.status}`} {...follow({ name: 'session', id: session.id })} aria-current={isHere ? 'page' : undefined}>
        <span class="session-line">
          <Dot status={session.status} />
          <bdi class="session-title">{plain(session.title ?? t('home.untitled'))}</bdi>
          <time class="quiet small" dateTime={session.active_at}>{ago(session.active_at, now.value + clockOffsetMs.value)}</time>
        </span>
        <span class="session-line small quiet">
          <span class="session-state">{stateWords(session)}</span>
          {home && <bdi class="session-place">{plain(home.machine_name)}:{plain(tail(home.directory))}</bdi>}
          {home?.branch && <span class="branch"><GitBranch size={12} aria-hidden="true" /><bdi>{plain(home.branch)}</bdi></span>}
        </span>
      </a>
    </li>
  )
}

function tail(directory: string): string {
  return directory.split('/').filter(Boolean).at(-1) ?? '/'
}

export function stateWords(session: Session): string {
  if (session.status === 'waiting' && session.permissions_open > 0) return t('home.questions', { n: session.permissions_open })
  if (session.status === 'offline' && session.worker.changed_at) {
    return t('status.offline.since', { when: ago(session.worker.changed_at, now.value + clockOffsetMs.value) })
  }
  return t(`status.${session.status}`)
}

/** A colour and a shape: colour alone tells not everybody. */
export function Dot({ status }: { status: SessionStatus }) {
  return <span class={`dot dot-${status}`} aria-hidden="true" />
}

function Empty() {
  return (
    <div class="empty">
      <h2>{t('home.empty')}</h2>
      <p class="quiet">{t('home.empty.how')}</p>
      <pre tabIndex={0}><code>{`export CLAUDE_BRIDGE_BASE_URL=${location.origin}\nexport CLAUDE_BRIDGE_OAUTH_TOKEN=$(rcsctl key create laptop)\nccb remote-control`}</code></pre>
    </div>
  )
}
