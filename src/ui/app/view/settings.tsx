// The agent's mode, model and thinking. What the worker confirmed is what is shown; what was asked stands beside it
// until it is.

import { useSignal } from '@preact/signals'
import { call, Failure } from '../api'
import type { Setting } from '../state/course'
import type { Conversation } from '../state/fold'
import { me, nameOf } from '../state/me'
import type { Offer } from '../state/offers'
import { sessions } from '../state/overview'
import { plain } from '../text/plain'
import { t } from '../words'
import { prompt } from './dialog'

export const MODES = { default: 1, acceptEdits: 1, plan: 1, dontAsk: 1, bypassPermissions: 1 } as const
/** What ccb takes besides a model's full name. It announces no list. */
const ALIASES = ['default', 'sonnet', 'opus', 'haiku']
const OTHER = '\u0000other'
/** Tokens that a model may think for. */
const THINKING = { auto: 'thinking.auto', '0': 'thinking.off', '4000': 'thinking.short', '10000': 'thinking.long', '31999': 'thinking.most' } as const

interface Props {
  session: string
  conversation: Conversation
  attempt: (what: () => Promise<unknown>) => Promise<void>
}

/** Modes in which nobody is asked any more, as agents call them: the server takes them from admins only. */
const asksNothing = (mode: string) => /^(bypass(permissions)?|yolo|(agent|danger)?fullaccess)$/i.test(mode.replace(/[^a-z0-9]/gi, ''))

export function modeName(name: string, offered: Offer[] | null = null): string {
  const own = offered?.find((mode) => mode.value === name)
  if (own) return plain(own.name)
  return name in MODES ? t(`mode.${name as keyof typeof MODES}`) : plain(name)
}

const thinkingName = (value: string) =>
  value in THINKING ? t(THINKING[value as keyof typeof THINKING]) : t('thinking.tokens', { n: value })

export function Settings({ session, conversation, attempt }: Props) {
  const known = sessions.value.get(session)
  const { course, offers } = conversation
  const mode = course.mode.value ?? known?.mode ?? null
  const model = course.model.value ?? known?.model ?? null
  const thinking = course.thinking.value
  const isLink = offers.isLink.value
  const modes = offers.modes.value
  const names = modes?.map((one) => one.value) ?? Object.keys(MODES)
  const allowed = names.filter((name) => !asksNothing(name) || me.value?.role === 'admin')
  const models = offers.models.value
  const modelName = (name: string) => plain(models?.find((one) => one.value === name)?.name ?? name)
  const modelValues = models ? models.map((one) => one.value) : isLink ? [] : ALIASES
  const setModel = async (value: string) => {
    const wanted = value === OTHER ? (await prompt(t('compose.model.prompt'), model ?? ''))?.trim() : value
    if (!wanted || wanted === model) return
    await attempt(() => call('POST', `/sessions/${session}/model`, { model: wanted }))
  }
  return (
    <div class="settings small">
      <div class="setting-row">
        <Choice label={t('compose.mode')} value={mode} values={allowed} name={(value) => modeName(value, modes)} choose={(wanted) => attempt(() => call('POST', `/sessions/${session}/mode`, { mode: wanted }))} />
        {(modelValues.length > 0 || model || !isLink) && (
          <Choice label={t('compose.model')} value={model} values={models ? modelValues : [...modelValues, OTHER]} name={(value) => (value === OTHER ? t('compose.model.other') : modelName(value))} choose={setModel} />
        )}
        {!isLink && (
          <Choice
            label={t('compose.thinking')}
            value={thinking}
            values={Object.keys(THINKING).sort((one, other) => (one === 'auto' ? -1 : other === 'auto' ? 1 : Number(one) - Number(other)))}
            name={thinkingName}
            choose={(wanted) => attempt(() => call('POST', `/sessions/${session}/thinking`, { max_thinking_tokens: wanted === 'auto' ? null : Number(wanted) }))}
          />
        )}
      </div>
      <AskedFor conversation={conversation} setting="mode" now={mode} name={(value) => modeName(value, modes)} />
      <AskedFor conversation={conversation} setting="model" now={model} name={modelName} />
      <AskedFor conversation={conversation} setting="thinking" now={thinking} name={thinkingName} />
    </div>
  )
}

interface ChoiceProps {
  label: string
  value: string | null
  values: string[]
  name: (value: string) => string
  choose: (value: string) => Promise<void>
}

/** A choice that jumps back until the worker says so. */
function Choice({ label, value, values, name, choose }: ChoiceProps) {
  const busy = useSignal(false)
  return (
    <label class={`setting${value === null ? ' setting-unknown' : ''}`}>
      <span class="quiet">{label}</span>
      <select
        value={value ?? ''}
        aria-label={label}
        aria-busy={busy.value}
        onChange={(event) => {
          const wanted = event.currentTarget.value
          event.currentTarget.value = value ?? ''
          busy.value = true
          void choose(wanted).catch((error: unknown) => {
            if (!(error instanceof Failure)) throw error
          }).finally(() => (busy.value = false))
        }}
      >
        {(value === null || !values.includes(value)) && <option value={value ?? ''}>{value === null ? t('compose.unknown', { what: label }) : name(value)}</option>}
        {values.map((one) => <option key={one} value={one}>{name(one)}</option>)}
      </select>
    </label>
  )
}

interface AskedProps {
  conversation: Conversation
  setting: Setting
  now: string | null
  name: (value: string) => string
}

function AskedFor({ conversation, setting, now, name }: AskedProps) {
  const asked = conversation.course.asked[setting].value
  if (!asked || (asked.value === now && !asked.refused)) return null
  const words = { text: name(asked.value), who: nameOf(asked.by), why: plain(asked.refused) }
  return <span class={`asked-for${asked.refused ? ' bad' : ''}`} role="status">{t(asked.refused ? 'compose.refused' : 'compose.asked', words)}</span>
}
