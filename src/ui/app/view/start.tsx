// A new session: where, with what, and what shall be done. What the machine cannot do is not offered.

import { ArrowLeft, GitBranch } from 'lucide-preact'
import { useEffect, useRef } from 'preact/hooks'
import { useSignal } from '@preact/signals'
import { now } from '../state/look'
import { clockOffsetMs, known } from '../state/overview'
import { follow } from '../state/place'
import { change, choices, choose, chosen, draft, failed, obstacle, offered, offers, start, starting } from '../state/start'
import { plain } from '../text/plain'
import { ago, t } from '../words'
import type { Choice, Environment, Offers } from '../types'
import { modeName as modeWord } from './settings'

export function Start() {
  return (
    <div class="page">
      <header class="talk-head">
        <a class="icon-button back" {...follow({ name: 'home' })} aria-label={t('session.back')}><ArrowLeft size={20} aria-hidden="true" /></a>
        <div class="talk-title"><h1>{t('new.title')}</h1></div>
      </header>
      <form class="page-body start" onSubmit={(event) => { event.preventDefault(); void start() }}>
        <MachineField />
        {chosen.value && <About />}
        <Prompt />
        <Go />
      </form>
    </div>
  )
}

function MachineField() {
  return (
    <fieldset class="start-field">
      <legend>{t('new.machine')}</legend>
      {!known.value ? <p class="quiet">{t('home.loading')}</p> : choices.value.length === 0 && <p class="quiet">{t('new.machine.none')}</p>}
      <div class="start-machines">
        {choices.value.map((one) => <MachineOption key={one.id} machine={one} />)}
      </div>
    </fieldset>
  )
}

function kindOf(machine: Environment): string {
  return machine.worker_type === 'acp' ? 'ACP' : machine.worker_type === 'claude_code' ? 'Claude Code' : plain(machine.worker_type)
}

function MachineOption({ machine }: { machine: Environment }) {
  const isOn = draft.value.environment === machine.id
  const isAway = machine.status !== 'online'
  const state = isAway ? t('machine.offline', { when: ago(machine.changed_at, now.value + clockOffsetMs.value) }) : t('machine.online')
  return (
    <label class={`option machine-option ${isOn ? 'option-on' : ''} ${isAway ? 'is-away' : ''}`}>
      <input type="radio" name="machine" value={machine.id} checked={isOn} disabled={isAway && !isOn} onChange={() => choose(machine.id)} />
      <span class="machine-lines">
        <span class="session-line">
          <span class={`health health-${machine.status}`} aria-hidden="true" />
          <bdi class="session-title">{plain(machine.machine_name)}</bdi>
          <span class="tag">{kindOf(machine)}</span>
        </span>
        <span class="session-line small quiet">
          <span class="session-state">{state}</span>
          {machine.directory && <bdi class="path-end"><bdi>{plain(machine.directory)}</bdi></bdi>}
          {machine.branch && <span class="branch"><GitBranch size={12} aria-hidden="true" /><bdi>{plain(machine.branch)}</bdi></span>}
        </span>
      </span>
    </label>
  )
}

/** What this machine lets one choose. */
function About() {
  const known = offers.value?.of === draft.value.environment ? offers.value : null
  if (!known) return <p class="quiet small" role="status">{t('new.asking')}</p>
  if (!known.is) return <p class="problem small" role="alert">{known.why}</p>
  const is = known.is
  const free = is.free
  return (
    <>
      {free !== undefined && !is.closed && <p class="small quiet">{free > 0 ? t('new.free', { n: free }) : t('new.full')}</p>}
      {is.agent && <p class="small quiet start-agent"><bdi>{plain(is.agent)}</bdi></p>}
      <Directory is={is} />
      <div class="start-pair">
        {is.modes.length > 0 && <Pick id="start-mode" label={t('new.mode')} own={t('new.mode.own')} value={draft.value.mode} list={is.modes} name={modeName} pick={(mode) => change({ mode })} />}
        {is.any_model ? <Model is={is} /> : is.models.length > 0 && <Pick id="start-model" label={t('new.model')} own={t('new.model.own')} value={draft.value.model} list={is.models} name={nameOf} pick={(model) => change({ model })} />}
      </div>
    </>
  )
}

const nameOf = (choice: Choice) => plain(choice.name ?? choice.id)
const modeName = (choice: Choice) => (choice.name ? plain(choice.name) : modeWord(choice.id))

interface PickProps {
  id: string
  label: string
  own: string
  value: string
  list: Choice[]
  name: (choice: Choice) => string
  pick: (id: string) => void
}

function Pick({ id, label, own, value, list, name, pick }: PickProps) {
  const said = list.find((one) => one.id === value)?.description
  return (
    <div class="start-field">
      <label for={id}>{label}</label>
      <select id={id} class="field" value={value} onChange={(event) => pick(event.currentTarget.value)}>
        <option value="">{own}</option>
        {list.map((one) => <option key={one.id} value={one.id}>{name(one)}</option>)}
      </select>
      {said && <span class="small quiet">{plain(said)}</span>}
    </div>
  )
}

function Model({ is }: { is: Offers }) {
  return (
    <div class="start-field">
      <label for="start-model">{t('new.model')}</label>
      <input id="start-model" class="field" list="models" autocomplete="off" autocapitalize="off" spellcheck={false} placeholder={t('new.model.own')} title={t('new.model.free')} value={draft.value.model} onInput={(event) => change({ model: event.currentTarget.value })} />
      <datalist id="models">{is.models.map((one) => <option key={one.id} value={one.id} />)}</datalist>
    </div>
  )
}

function Directory({ is }: { is: Offers }) {
  const other = useSignal(false)
  const own = chosen.value?.directory ?? ''
  if (!is.any_directory) {
    return (
      <p class="small quiet start-fixed">
        {own ? t('new.directory.fixed', { directory: plain(own) }) : t('new.directory.fixed.unknown')}
      </p>
    )
  }
  const { directory } = draft.value
  const isOther = other.value || (directory !== '' && !is.directories.includes(directory))
  const pick = (value: string) => () => {
    other.value = false
    change({ directory: value })
  }
  return (
    <fieldset class="start-field">
      <legend>{t('new.directory')}</legend>
      <div class="start-recent">
        <button type="button" class="chip" aria-pressed={!isOther && directory === ''} onClick={pick('')}>{own ? <bdi>{plain(own)}</bdi> : t('new.directory.own')}</button>
        {is.directories.map((one) => (
          <button type="button" key={one} class="chip" aria-pressed={!isOther && directory === one} onClick={pick(one)}><bdi>{plain(one)}</bdi></button>
        ))}
        <button type="button" class="chip" aria-pressed={isOther} onClick={() => { other.value = true; change({ directory: '' }) }}>{t('new.directory.other')}</button>
      </div>
      {isOther && (
        <input class="field start-path" aria-label={t('new.directory.path')} placeholder="/home/…" autocapitalize="off" autocomplete="off" spellcheck={false} value={directory} onInput={(event) => { other.value = true; change({ directory: event.currentTarget.value }) }} />
      )}
    </fieldset>
  )
}

function Prompt() {
  const area = useRef<HTMLTextAreaElement>(null)
  const { text } = draft.value
  useEffect(() => {
    const element = area.current
    if (!element) return
    element.style.height = 'auto'
    element.style.height = `${Math.min(Math.max(element.scrollHeight + 2, 112), innerHeight * 0.45)}px`
  }, [text])
  return (
    <div class="start-field">
      <label for="start-prompt">{t('new.prompt')}</label>
      <textarea
        id="start-prompt"
        ref={area}
        class="field"
        rows={4}
        dir="auto"
        placeholder={t('new.prompt.hint')}
        title={t('new.keys')}
        value={text}
        onInput={(event) => change({ text: event.currentTarget.value })}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !event.isComposing) {
            event.preventDefault()
            void start()
          }
        }}
      />
    </div>
  )
}

/** The button is never silently dead: beside it stands why. */
function Go() {
  const why = obstacle.value
  const isAsking = chosen.value && !offered.value && !offers.value?.why
  return (
    <div class="start-go">
      {failed.value && <p class="problem small" role="alert">{failed.value}</p>}
      {why && <p class="small start-why" id="start-why" role="status">{why}</p>}
      <button class="button button-main button-wide" disabled={why !== '' || starting.value || Boolean(isAsking)} aria-describedby={why ? 'start-why' : undefined}>
        {t(starting.value ? 'new.starting' : 'new.start')}
      </button>
    </div>
  )
}
