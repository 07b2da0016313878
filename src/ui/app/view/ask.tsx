// The agent's questions, from the bottom of the screen where the thumb is. A card closes when the log says that it was
// resolved, and not because a request succeeded.

import { ChevronDown, ChevronRight, ChevronUp, CloudOff } from 'lucide-preact'
import { useSignal, type Signal } from '@preact/signals'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import type { Conversation } from '../state/fold'
import type { Ask, Item } from '../state/items'
import { me, nameOf } from '../state/me'
import { decide, drop, outbox, stuck, type DecidedLater } from '../state/outbox'
import { exact, plain } from '../text/plain'
import { t } from '../words'
import type { Decide } from '../types'
import { Questions, questionsOf } from './questions'
import { Code } from './rich'
import { useArmed } from './armed'
import { Guard } from './guard'
import { waysOf } from './ways'
import { subject, ToolInput } from './tool'

interface SheetProps {
  session: string
  conversation: Conversation
  canAct: boolean
  isAway: boolean
}

export function Sheet({ session, conversation, canAct, isAway }: SheetProps) {
  const at = useSignal<string | null>(null)
  const small = useSignal(false)
  const open = conversation.open.value.map((item) => item.value as Ask)
  const index = Math.max(0, open.findIndex((ask) => ask.request === at.value))
  const ask = open[index]
  useEffect(() => {
    if (ask) small.value = false
  }, [ask?.request])
  const what = ask ? title(ask) : ''
  const gone = useElsewhere(conversation.open.value[index])
  return (
    <>
      {gone && <p class="sheet-gone small" role="status">{gone}</p>}
      {/* Always there: what comes in together with its words is not read out. */}
      <div class="sr" aria-live="assertive">{ask && t('ask.announce', { text: `${what} ${plain(ask.title || subject(ask.tool, ask.input)).slice(0, 200)}` })}</div>
      {ask && (
    <section class={`sheet${small.value ? ' sheet-small' : ''}`} aria-label={t('ask.title')}>
      <header class="sheet-head">
        <h2>{what}</h2>
        {open.length > 1 && (
          <button class="link" onClick={() => (at.value = open[(index + 1) % open.length]!.request)} aria-label={t('ask.next')}>
            {t('ask.of', { i: index + 1, n: open.length })} <ChevronRight size={16} aria-hidden="true" />
          </button>
        )}
        <button class="icon-button" aria-label={small.value ? t('ask.expand') : t('ask.collapse')} aria-expanded={!small.value} onClick={() => (small.value = !small.value)}>
          {small.value ? <ChevronUp size={20} aria-hidden="true" /> : <ChevronDown size={20} aria-hidden="true" />}
        </button>
      </header>
      {!small.value && <Guard key={ask.request}><Card session={session} ask={ask} canAct={canAct} isAway={isAway} /></Guard>}
    </section>
      )}
    </>
  )
}

/** How long it is said that somebody else decided what stood here. */
const ELSEWHERE_MS = 8_000

/** A card that was here and is decided by somebody else: whose hand was on it wants to know by whom. */
function useElsewhere(shown: Signal<Item> | undefined): string {
  const settled = useSignal<Ask | null>(null)
  const before = useRef<Signal<Item>>()
  const timer = useRef<ReturnType<typeof setTimeout>>()
  const last = before.current?.value
  useEffect(() => {
    if (last?.kind !== 'ask' || last.state === 'open' || before.current === shown) return
    before.current = shown
    const own = me.value?.device?.id
    if (own && last.winner?.by.id === own) return
    settled.value = last
    clearTimeout(timer.current)
    timer.current = setTimeout(() => (settled.value = null), ELSEWHERE_MS)
  }, [last, shown])
  useEffect(() => () => clearTimeout(timer.current), [])
  if (!before.current) before.current = shown
  const ask = settled.value
  // The name of a device that was never heard of comes a moment later.
  if (!ask) return ''
  if (!ask.winner) return t('ask.cancelled')
  return t('ask.elsewhere', { who: ask.winner.rule ? plain(ask.winner.rule) : nameOf(ask.winner.by), verdict: t(`ask.verdict.${ask.winner.verdict}`) })
}

function title(ask: Ask): string {
  switch (ask.tool) {
    case 'Bash':
    case 'PowerShell':
    case 'execute':
      return t('ask.command')
    case 'Edit':
    case 'MultiEdit':
    case 'NotebookEdit':
    case 'edit':
    case 'delete':
    case 'move':
      return t('ask.edit')
    case 'Write':
      return t('ask.write')
    case 'WebFetch':
    case 'fetch':
      return t('ask.fetch')
    case 'ExitPlanMode':
      return t('ask.plan')
    case 'AskUserQuestion':
      return t('ask.question')
    default:
      return t('ask.tool', { tool: plain(ask.tool) })
  }
}

interface CardProps {
  session: string
  ask: Ask
  canAct: boolean
  isAway: boolean
}

function Card({ session, ask, canAct, isAway }: CardProps) {
  const later = outbox.value.find(
    (item): item is DecidedLater => item.kind === 'decision' && item.session === session && item.request === ask.request,
  )
  const send = (body: Decide) => decide(session, ask.request, body)
  const questions = ask.tool === 'AskUserQuestion' ? questionsOf(ask.input.questions) : null
  return (
    <>
      <div class="sheet-body" tabIndex={0}>
        {ask.title && <p class="path"><bdi>{exact(ask.title)}</bdi></p>}
        {ask.words && <p class="asked-words"><bdi>{plain(ask.words)}</bdi></p>}
        {questions ? null : <ToolInput name={ask.tool} input={ask.input} changes={ask.changes} />}
        {questions && canAct && !later && <Questions questions={questions} send={(answers) => send({ decision: 'allow', answers })} deny={(message) => send(denied(message))} />}
        {questions && (!canAct || later) && <Code text={JSON.stringify(ask.input, null, 2)} language="json" />}
        {!questions && hasMore(ask) && (
          <details>
            <summary class="small">{t('ask.details')}</summary>
            <Code text={JSON.stringify(ask.input, null, 2)} language="json" />
          </details>
        )}
      </div>
      {isAway && <p class="sheet-note small quiet"><CloudOff size={14} aria-hidden="true" /> {t('ask.away')}</p>}
      {!canAct ? <p class="sheet-note quiet">{t('ask.viewer')}</p> : later ? <OnItsWay later={later} /> : !questions && <Buttons ask={ask} send={send} />}
    </>
  )
}

/** Whether the drawing above leaves anything out that was asked. */
function hasMore(ask: Ask): boolean {
  const drawn: Record<string, string[]> = {
    Bash: ['command', 'description'],
    Edit: ['file_path', 'old_string', 'new_string'],
    MultiEdit: ['file_path', 'edits'],
    Write: ['file_path', 'content'],
    WebFetch: ['url', 'prompt'],
    ExitPlanMode: ['plan'],
  }
  if (ask.changes.length > 0) return Object.keys(ask.input).length > 0
  const known = drawn[ask.tool]
  return known !== undefined && Object.keys(ask.input).some((name) => !known.includes(name))
}

function denied(message: string): Decide {
  return { decision: 'deny', ...(message.trim() ? { message: message.trim() } : {}) }
}

function OnItsWay({ later }: { later: DecidedLater }) {
  if (later.failed) {
    return (
      <div class="sheet-note" role="alert">
        {later.winner ? t('ask.was.first', { who: nameOf(later.winner.by), verdict: t(`ask.verdict.${later.winner.verdict}`) }) : t('ask.refused', { why: later.failed })}
        {!later.winner && <button class="button" onClick={() => drop(later.id)}>{t('ask.cancel')}</button>}
      </div>
    )
  }
  return (
    <div class="sheet-note" role="status">
      {stuck.value ? t('ask.waiting') : t('ask.sending')}
      {!later.done && stuck.value && <button class="button" onClick={() => drop(later.id)}>{t('ask.undo')}</button>}
    </div>
  )
}

function Buttons({ ask, send }: { ask: Ask; send: (body: Decide) => void }) {
  const denying = useSignal(false)
  const words = useRef<HTMLTextAreaElement>(null)
  const armed = useArmed()
  const isPlan = ask.tool === 'ExitPlanMode'
  const ways = waysOf(ask.suggestions, me.value?.role === 'admin')
  // With what is drawn and not a frame later: a key that is pressed in between would be lost, or act as a shortcut.
  useLayoutEffect(() => {
    if (denying.value) words.current?.focus()
  }, [denying.value])
  if (denying.value) {
    return (
      <div class="sheet-buttons">
        <textarea ref={words} class="field" rows={3} aria-label={t('ask.deny.words')} placeholder={t('ask.deny.words')} dir="auto" />
        <div class="button-row">
          <button class="button" onClick={() => (denying.value = false)}>{t('ask.cancel')}</button>
          <button class="button button-danger" onClick={() => send(denied(words.current?.value ?? ''))}>{t('ask.deny.send')}</button>
        </div>
      </div>
    )
  }
  if (isPlan) {
    const mode = (name: string): Decide => ({ decision: 'allow', updated_permissions: [{ type: 'setMode', mode: name, destination: 'session' }] })
    return (
      <div class="sheet-buttons">
        <button class="button button-wide" {...armed(() => send(mode('acceptEdits')))}>{t('ask.plan.edits')}</button>
        <div class="button-row">
          <button data-key="deny" class="button" onClick={() => (denying.value = true)}>{t('ask.plan.keep')}</button>
          <button data-key="allow" class="button button-main" {...armed(() => send(mode('default')))}>{t('ask.plan.ask')}</button>
        </div>
      </div>
    )
  }
  // Some are asked each time: no rule may answer them. What reaches furthest stands furthest from the resting thumb.
  return (
    <div class="sheet-buttons">
      <div class="ways">
        {ask.tool !== 'EnterPlanMode' && <button class="button button-wide" {...armed(() => send({ decision: 'allow', scope: 'session' }))}>{t('ask.allow.session')}</button>}
        {ways.length > 0 && (
          <details class="more-ways">
            <summary class="small">{t('ask.more')}</summary>
            {ways.map((way) => (
              <button key={way.words} class="button button-wide way" onClick={() => send({ decision: 'allow', scope: 'once', updated_permissions: [way.update] })}>
                <bdi>{way.words}</bdi>
                <span class="quiet small block">{way.where}</span>
              </button>
            ))}
          </details>
        )}
      </div>
      <div class="button-row">
        <button data-key="deny" class="button" onClick={() => (denying.value = true)}>{t('ask.deny')}</button>
        <button data-key="allow" class="button button-main" {...armed(() => send({ decision: 'allow', scope: 'once' }))}>{t('ask.allow')}</button>
      </div>
    </div>
  )
}
