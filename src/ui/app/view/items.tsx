// Each kind of thing that a conversation shows.

import { Brain, Check, CheckCheck, CircleX, Clock, RotateCcw, Undo2 } from 'lucide-preact'
import { useSignal, type Signal } from '@preact/signals'
import { call, Failure } from '../api'
import type { Ask, Item, Notice, Prompt, Words } from '../state/items'
import { now } from '../state/look'
import { nameOf } from '../state/me'
import { outbox, retry, stuck, takeBack, type SaidLater } from '../state/outbox'
import { exact, plain } from '../text/plain'
import { clock, t } from '../words'
import type { Word } from '../words/en'
import { OnTheirWay } from './attach'
import { Guard } from './guard'
import { Files, Picture } from './picture'
import { Markdown, Output } from './rich'
import { modeName } from './settings'
import { subject, ToolRow } from './tool'

interface Props {
  item: Signal<Item>
  session: string
  /** It is looked at as it was: nothing can be done about it. */
  isPast?: boolean
}

export function ItemView(props: Props) {
  return <Guard><Drawn {...props} /></Guard>
}

function Drawn({ item, session, isPast = false }: Props) {
  const it = item.value
  switch (it.kind) {
    case 'prompt':
      return <PromptView prompt={it} session={session} isPast={isPast} />
    case 'words':
      return <div class="said item"><Markdown text={it.text} streaming={it.streaming} /></div>
    case 'thinking':
      return <Thinking words={it} />
    case 'tool':
      return <div class="item"><ToolRow tool={it} draw={(step) => <ItemView key={step.peek().key} item={step} session={session} isPast={isPast} />} /></div>
    case 'ask':
      return <AskedView ask={it} isPast={isPast} />
    case 'notice':
      return <NoticeView notice={it} />
  }
}

const STATES = { queued: Clock, delivered: Check, seen: CheckCheck, cancelled: CircleX } as const

function PromptView({ prompt, session, isPast }: { prompt: Prompt; session: string; isPast: boolean }) {
  const Icon = STATES[prompt.state]
  const problem = useSignal('')
  const takeBack = async () => {
    try {
      await call('DELETE', `/sessions/${session}/messages/${prompt.id}`)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      problem.value = error.message
    }
  }
  return (
    <div class={`mine item is-${prompt.state}`}>
      <div class="bubble" dir="auto">
        {prompt.images.map((source, index) => <Picture key={index} source={source} name={t('item.image', { n: index + 1 })} />)}
        <Files files={prompt.files} />
        {prompt.text.length > 20_000 ? <Output text={prompt.text} /> : plain(prompt.text)}
      </div>
      <p class="receipt small quiet">
        <bdi>{nameOf(prompt.by)}</bdi> · <time dateTime={prompt.at}>{clock(prompt.at, now.value)}</time>
        <span class="receipt-state"><Icon size={14} aria-hidden="true" /> {t(`prompt.${prompt.state}`)}</span>
        {prompt.state === 'queued' && prompt.id && !isPast && <button class="link" onClick={() => void takeBack()}><Undo2 size={14} aria-hidden="true" />{t('prompt.takeback')}</button>}
      </p>
      {problem.value && <p class="problem small" role="alert">{problem.value}</p>}
    </div>
  )
}

/** What was said and is not there yet. */
export function LaterView({ item }: { item: SaidLater }) {
  return (
    <div class="mine item is-later" data-later={item.id}>
      <div class="bubble" dir="auto">
        {item.files && <OnTheirWay files={item.files} />}
        {plain(item.text)}
      </div>
      <p class="receipt small quiet">
        {item.failed ? <span class="bad">{t('prompt.failed', { why: item.failed })}</span> : (
          <span class="receipt-state"><Clock size={14} aria-hidden="true" /> {stuck.value ? t('prompt.waiting') : t('prompt.sending')}</span>
        )}
        {item.failed && <button class="link" onClick={() => retry(item.id)}><RotateCcw size={14} aria-hidden="true" />{t('prompt.retry')}</button>}
        {!item.done && <button class="link" onClick={() => takeBack(item.id)}><CircleX size={14} aria-hidden="true" />{t('prompt.cancel')}</button>}
      </p>
    </div>
  )
}

function Thinking({ words }: { words: Words }) {
  const open = useSignal(false)
  return (
    <div class="thinking item">
      <button class="tool-head" aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
        <Brain size={16} aria-hidden="true" />
        <span class="tool-name">{words.streaming ? t('item.thinking.now') : t('item.thinking')}</span>
        <bdi class="tool-subject">{open.value ? '' : plain(words.text).trim().split('\n')[0]}</bdi>
      </button>
      {open.value && <div class="tool-body quiet"><Markdown text={words.text} streaming={words.streaming} /></div>}
    </div>
  )
}

/** Tools that are none: what they ask, in words. */
const WHAT: Record<string, Word> = { AskUserQuestion: 'ask.question', ExitPlanMode: 'ask.plan' }

/** A question in its place in the conversation; the sheet below is where it is answered. */
function AskedView({ ask, isPast }: { ask: Ask; isPast: boolean }) {
  const later = isPast ? undefined : outbox.value.find((item) => item.kind === 'decision' && item.request === ask.request && !item.failed)
  const what = `${WHAT[ask.tool] ? t(WHAT[ask.tool]!) : ask.tool} ${ask.title || subject(ask.tool, ask.input)}`.trim()
  return (
    <div class={`asked item asked-${ask.state}${ask.winner ? ` verdict-${ask.winner.verdict}` : ''}`}>
      <bdi class="asked-what">{exact(what).slice(0, 200)}</bdi>
      <span class="small">
        {ask.state === 'cancelled' ? t('ask.cancelled') : ask.winner ? verdictWords(ask) : later ? t('ask.sending') : t('status.waiting')}
        {ask.winner && <> · <time dateTime={ask.winner.at}>{clock(ask.winner.at, now.value)}</time></>}
      </span>
      {ask.winner?.message && <q class="small"><bdi>{plain(ask.winner.message)}</bdi></q>}
    </div>
  )
}

function verdictWords(ask: Ask): string {
  if (!ask.winner) return ''
  if (ask.winner.rule) return t('ask.rule', { rule: plain(ask.winner.rule) })
  return t(ask.winner.verdict === 'allow' ? 'ask.allowed.by' : 'ask.denied.by', { who: nameOf(ask.winner.by) })
}

function NoticeView({ notice }: { notice: Notice }) {
  const isLong = notice.text.length > 200 || notice.text.includes('\n')
  const isLoud = notice.what === 'gap' || notice.what === 'anew' || notice.what === 'error'
  const short = notice.what === 'mode' ? modeName(notice.text) : isLong ? '' : plain(notice.text)
  return (
    <div class={`notice item small notice-${notice.what}`} role={notice.what === 'gap' || notice.what === 'anew' ? 'alert' : undefined}>
      <span>{t(`notice.${notice.what}`, { text: short })}</span>
      {isLoud && notice.what === 'error' && notice.text && <Output text={notice.text} />}
      {notice.what === 'command' && isLong && <Output text={notice.text} />}
    </div>
  )
}
