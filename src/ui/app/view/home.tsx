// All sessions, those that need a human first.

import { Pin, Plus, Search, X } from 'lucide-preact'
import { useEffect } from 'preact/hooks'
import { archived, groups, loadArchived, lets, machine, machines, problem, query, selection, status } from '../state/list'
import { now } from '../state/look'
import { clockOffsetMs, known, sessions } from '../state/overview'
import { follow } from '../state/place'
import { plain } from '../text/plain'
import { ago, t } from '../words'
import { Bulk } from './bulk'
import { Empty } from './empty'
import { Found } from './found'
import { canArrange, Dot, Row, stateWords } from './row'

export { Dot, stateWords }

const STATUSES = ['waiting', 'working', 'idle', 'offline', 'archived'] as const

export function Home() {
  return (
    <div class={`home ${selection.value ? 'is-selecting' : ''}`}>
      <h1 class="sr">{t('home.title')}</h1>
      <div class="home-top">
        <div class="search" role="search">
          <Search size={18} aria-hidden="true" />
          <input type="search" class="field" aria-label={t('home.search')} placeholder={t('home.search.hint')} value={query.value} enterkeyhint="search" onInput={(event) => (query.value = event.currentTarget.value)} />
          {query.value && <button class="icon-button search-clear" aria-label={t('home.search.clear')} onClick={() => (query.value = '')}><X size={16} aria-hidden="true" /></button>}
        </div>
        {canArrange() && (
          <a class="button button-main new-session" {...follow({ name: 'new' })} title={t('home.new')}>
            <Plus size={20} aria-hidden="true" /><span class="sr">{t('home.new')}</span>
          </a>
        )}
      </div>
      <Machines />
      <Filters />
      {problem.value && <p class="problem small" role="alert">{problem.value}</p>}
      {status.value === 'archived' ? <Archived /> : <Groups />}
      <Found />
      <Bulk />
    </div>
  )
}

function Groups() {
  if (!known.value) return <p class="quiet centre">{t('home.loading')}</p>
  if (sessions.value.size === 0 && !query.value.trim()) return <Empty />
  if (groups.value.length === 0) {
    const text = query.value.trim() || machine.value || (status.value ? t(`status.${status.value}`) : '')
    return <p class="quiet centre">{t('home.nomatch', { text })}</p>
  }
  return (
    <>
      {groups.value.map(({ group, list }, index) => (
        <section key={group} aria-labelledby={`group-${group}`}>
          <div class="group-line">
            <h2 id={`group-${group}`} class="group">
              {group === 'pinned' ? <Pin size={13} aria-hidden="true" /> : <Dot status={group} />}
              {t(`home.${group}`)}
              <span class="count">{list.length}</span>
            </h2>
            {index === 0 && canArrange() && selection.value === null && (
              <button class="link" onClick={() => (selection.value = new Set())}>{t('select.start')}</button>
            )}
          </div>
          <ul class="cards">
            {list.map((session) => <Row key={session.id} session={session} />)}
          </ul>
        </section>
      ))}
    </>
  )
}

/** What was put away, from the server: home does not hold it. */
function Archived() {
  const words = query.value.trim()
  useEffect(() => {
    const timer = setTimeout(() => void loadArchived(null), words ? 250 : 0)
    return () => clearTimeout(timer)
  }, [words])
  const { items, next, state, why } = archived.value
  const shown = machine.value ? items.filter(lets) : items
  return (
    <section aria-labelledby="group-archived">
      <h2 id="group-archived" class="group">{t('home.archived')}</h2>
      <ul class="cards">{shown.map((session) => <Row key={session.id} session={session} isFixed />)}</ul>
      {state === 'there' && shown.length === 0 && !next && <p class="quiet centre">{words ? t('home.nomatch', { text: words }) : t('home.archived.none')}</p>}
      {state === 'loading' && <p class="quiet centre" role="status">{t('home.loading')}</p>}
      {state === 'failed' && <p class="problem small" role="alert">{t('home.failed', { why })}</p>}
      {state !== 'loading' && next && <button class="button button-wide" onClick={() => void loadArchived(next)}>{t(state === 'failed' ? 'home.retry' : 'home.archived.more')}</button>}
    </section>
  )
}

function Filters() {
  if (known.value && sessions.value.size === 0 && status.value === null) {
    // Somebody new has nothing to filter; what they had may be in the archive.
    return <div class="chips"><Chip name="archived" /></div>
  }
  return (
    <div class="chips" role="group" aria-label={t('home.filters')}>
      {STATUSES.map((name) => <Chip key={name} name={name} />)}
    </div>
  )
}

function Chip({ name }: { name: (typeof STATUSES)[number] }) {
  const isOn = status.value === name
  const words = name === 'archived' ? t('home.archived') : t(`chip.${name}`)
  const pick = () => {
    status.value = isOn ? null : name
    selection.value = null
  }
  return (
    <button class="chip" role="checkbox" aria-checked={isOn} onClick={pick}>
      {name !== 'archived' && <Dot status={name} />}
      {words}
    </button>
  )
}

function Machines() {
  if (machines.value.length === 0) return null
  const pick = (name: string) => () => (machine.value = machine.value === name ? '' : name)
  const chosen = machines.value.find((one) => one.machine_name === machine.value)
  return (
    <div class="chips" role="group" aria-label={t('home.machines')}>
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
      {chosen && canArrange() && <a class="link chips-end" {...follow({ name: 'new', environment: chosen.id })}><Plus size={14} aria-hidden="true" />{t('home.first')}</a>}
    </div>
  )
}
