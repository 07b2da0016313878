// A session as it was: nothing can be said or decided here, and that is said.

import { ArrowLeft, ChevronLeft, ChevronRight, ChevronsLeft, ChevronsRight, History, MessageSquare, Pause, Play, ShieldCheck } from 'lucide-preact'
import { useSignal } from '@preact/signals'
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks'
import { deviceOf, nameOf } from '../state/me'
import { sessions } from '../state/overview'
import { follow, place } from '../state/place'
import { markOf, Replay } from '../state/replay'
import { record, text } from '../state/parts'
import { plain } from '../text/plain'
import type { LogEvent } from '../types'
import { moment, t } from '../words'
import { ItemView } from './items'
import { Lightbox } from './picture'
import { modeName } from './settings'
import { Todos } from './tool'

const SPEEDS = [1, 4, 16, 64]
/** What is drawn at first; more comes when somebody asks for it. */
const SHOWN = 50
/** What is drawn in every frame of a drag: a screen. */
const SHOWN_MOVING = 14

/** The session whose past the address names. */
export function Replayed() {
  const here = place.value
  return here.name === 'replay' ? <ReplayView id={here.id} /> : null
}

function ReplayView({ id }: { id: string }) {
  const replay = useMemo(() => new Replay(id, Number(location.hash.slice(1)) || null), [id])
  useEffect(() => () => replay.end(), [replay])
  const state = replay.state.value
  const session = sessions.value.get(id)
  const conversation = replay.conversation.value
  const title = conversation.title.value ?? session?.title ?? t('home.untitled')
  return (
    <div class="talk replay">
      <header class="talk-head">
        <a class="icon-button" {...follow({ name: 'session', id })} aria-label={t('replay.back')}><ArrowLeft size={20} aria-hidden="true" /></a>
        <div class="talk-title">
          <h1><bdi>{plain(title)}</bdi></h1>
        </div>
      </header>
      <p class="past">
        <History size={16} aria-hidden="true" />
        <span>{t('replay.past')}</span>
        <a class="button" {...follow({ name: 'session', id })}>{t('replay.back')}</a>
      </p>
      {state === 'missing' ? <p class="quiet nothing-chosen">{t('session.missing')}</p>
        : state === 'empty' ? <p class="quiet nothing-chosen">{t('session.empty')}</p>
          : state === 'loading' ? <p class="quiet nothing-chosen">{t('home.loading')}</p> : (
            <>
              <Was replay={replay} />
              {state === 'lost' && (
                <p class="problem small" role="alert">{t('reach.lost')} <button class="link" onClick={() => replay.retry()}>{t('prompt.retry')}</button></p>
              )}
              <Moment replay={replay} />
              <Controls replay={replay} />
            </>
          )}
      <Lightbox />
    </div>
  )
}

/** The conversation as it was, read from its end. */
function Was({ replay }: { replay: Replay }) {
  const box = useRef<HTMLDivElement>(null)
  const more = useSignal(0)
  const conversation = replay.conversation.value
  const items = conversation.items.value
  const shown = items.slice(-(replay.isMoving.value ? SHOWN_MOVING : SHOWN + more.value))
  const tasks = conversation.tasks.value
  useLayoutEffect(() => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight
  }, [conversation, replay.isMoving.value])
  // What opens or loads within it stays in sight.
  useEffect(() => {
    const inner = box.current?.firstElementChild
    if (!box.current || !inner) return
    const grown = new ResizeObserver(() => {
      if (box.current && more.value === 0) box.current.scrollTop = box.current.scrollHeight
    })
    grown.observe(box.current)
    return () => grown.disconnect()
  }, [])
  return (
    <div class="log-frame">
      <div class="log" ref={box} tabIndex={0} role="region" aria-label={t('replay.log')}>
        <div class="log-inner">
          {items.length > shown.length && <button class="button centre" onClick={() => (more.value += 100)}>{t('session.earlier')}</button>}
          {items.length === 0 && <p class="quiet centre">{t('session.empty')}</p>}
          {shown.map((item) => <ItemView key={item.peek().key} item={item} session={replay.id} isPast />)}
          {tasks.length > 0 && <details class="card replay-tasks"><summary class="small">{t('tasks.title', { done: tasks.filter((task) => task.status === 'completed').length, n: tasks.length })}</summary><Todos todos={tasks} /></details>}
        </div>
      </div>
    </div>
  )
}

/** What happened at this moment, who did it, and what held. */
function Moment({ replay }: { replay: Replay }) {
  const event = replay.shown.value
  const { course, open, offers } = replay.conversation.value
  if (!event) return null
  const mode = course.mode.value
  return (
    <div class="moment small">
      <p class="moment-what"><b>{happened(event)}</b> <span class="quiet">{t('replay.by', { who: isTyped(event) ? nameOf(event.by) : deviceOf(event.by) })}</span></p>
      <p class="quiet">
        {mode && <span>{t('compose.mode')}: {modeName(mode, offers.modes.value)}</span>}
        {course.model.value && <span>{t('compose.model')}: <bdi>{plain(course.model.value)}</bdi></span>}
        <span>{t('replay.open', { n: open.value.length })}</span>
        {replay.scanned.value < 1 && <span role="status">{t('replay.scanning', { percent: Math.round(replay.scanned.value * 100) })}</span>}
      </p>
    </div>
  )
}

const SAID = { assistant: 'replay.agent', user: 'replay.result', partial: 'replay.partial', result: 'replay.end', tasks: 'replay.tasks', system: 'replay.system' } as const
const STATUS = { working: 'status.working', idle: 'status.idle', waiting: 'status.waiting' } as const

const isTyped = (event: LogEvent) => event.kind === 'message_received' && markOf(event) === 'prompt'

/** A kind of event in words; of those that only mean something to the server, its name. */
function happened(event: LogEvent): string {
  const { data } = event
  switch (event.kind) {
    case 'message_posted':
      return t('replay.prompt')
    case 'permission_requested':
      return t('replay.asked', { tool: plain(text(data.tool)) })
    case 'permission_decided':
      return t(data.verdict === 'allow' ? 'replay.allowed' : 'replay.denied') + (text(data.rule) ? ` (${plain(text(data.rule))})` : '')
    case 'mode_confirmed':
      return t('notice.mode', { text: modeName(text(data.mode)) })
    case 'model_confirmed':
      return t('notice.model', { text: plain(text(data.model)) })
    case 'message_received':
      return isTyped(event) ? t('replay.typed') : text(data.kind) in SAID ? t(SAID[text(data.kind) as keyof typeof SAID]) : t('replay.other')
    case 'message_delivered':
      return t('prompt.delivered')
    case 'message_consumed':
      return t('prompt.seen')
    case 'message_cancelled':
      return t('prompt.cancelled')
    case 'permission_cancelled':
      return t('ask.cancelled')
    case 'permission_delivered':
      return t('replay.heard')
    case 'worker_online':
      return t('notice.online')
    case 'worker_offline':
      return t('notice.offline')
    case 'status_changed':
      return t('replay.status', { status: text(data.status) in STATUS ? t(STATUS[text(data.status) as keyof typeof STATUS]) : text(data.status) })
    case 'control_requested':
      return t('replay.control', { what: text(record(data.control).subtype) })
    default:
      return event.kind.replaceAll('_', ' ')
  }
}

function Controls({ replay }: { replay: Replay }) {
  const wanted = replay.wanted.value
  const [first, last] = [replay.earliest.value, replay.latest.value]
  const event = replay.shown.value
  const at = event ? moment(event.at) : ''
  const isPlaying = replay.isPlaying.value
  useEffect(() => {
    // The address of a moment can be given to somebody else.
    const timer = setTimeout(() => history.replaceState(null, '', `#${wanted}`), 300)
    return () => clearTimeout(timer)
  }, [wanted])
  const step = (way: 1 | -1, kind: 'event' | 'prompt' | 'decision') => () => void replay.step(way, kind)
  return (
    <div class="scrub" role="group" aria-label={t('replay.controls')}>
      <div class="scrub-line">
        <time class="small" dateTime={event?.at}>{at}</time>
        <span class="small quiet">{t('replay.place', { i: wanted, n: last })}</span>
        <label class="setting small scrub-speed">
          <span class="sr">{t('replay.speed')}</span>
          <select value={String(replay.speed.value)} onChange={(change) => (replay.speed.value = Number(change.currentTarget.value))}>
            {SPEEDS.map((speed) => <option key={speed} value={speed}>{speed}×</option>)}
          </select>
        </label>
      </div>
      <input
        type="range"
        class="scrubber"
        min={first}
        max={last}
        step={1}
        value={wanted}
        aria-label={t('replay.slider')}
        aria-valuetext={t('replay.value', { at, i: wanted, n: last })}
        onInput={(input) => replay.drag(input.currentTarget.valueAsNumber)}
      />
      <div class="scrub-buttons">
        <span class="scrub-group">
          <button class="icon-button" aria-label={t('replay.prompt.before')} title={t('replay.prompt.before')} onClick={step(-1, 'prompt')}><ChevronsLeft size={16} aria-hidden="true" /><MessageSquare size={16} aria-hidden="true" /></button>
          <button class="icon-button" aria-label={t('replay.prompt.next')} title={t('replay.prompt.next')} onClick={step(1, 'prompt')}><MessageSquare size={16} aria-hidden="true" /><ChevronsRight size={16} aria-hidden="true" /></button>
        </span>
        <span class="scrub-group">
          <button class="icon-button" aria-label={t('replay.event.before')} title={t('replay.event.before')} disabled={wanted <= first} onClick={step(-1, 'event')}><ChevronLeft size={20} aria-hidden="true" /></button>
          <button class="round" aria-label={isPlaying ? t('replay.pause') : t('replay.play')} onClick={() => (isPlaying ? replay.pause() : replay.play())}>
            {isPlaying ? <Pause size={18} fill="currentColor" aria-hidden="true" /> : <Play size={18} fill="currentColor" aria-hidden="true" />}
          </button>
          <button class="icon-button" aria-label={t('replay.event.next')} title={t('replay.event.next')} disabled={wanted >= last} onClick={step(1, 'event')}><ChevronRight size={20} aria-hidden="true" /></button>
        </span>
        <span class="scrub-group">
          <button class="icon-button" aria-label={t('replay.decision.before')} title={t('replay.decision.before')} onClick={step(-1, 'decision')}><ChevronsLeft size={16} aria-hidden="true" /><ShieldCheck size={16} aria-hidden="true" /></button>
          <button class="icon-button" aria-label={t('replay.decision.next')} title={t('replay.decision.next')} onClick={step(1, 'decision')}><ShieldCheck size={16} aria-hidden="true" /><ChevronsRight size={16} aria-hidden="true" /></button>
        </span>
      </div>
    </div>
  )
}
