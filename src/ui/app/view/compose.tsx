// What one says to the agent: written in peace, kept until it is sent, and sent once.

import { ArrowUp, Square } from 'lucide-preact'
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { call, Failure } from '../api'
import type { Conversation } from '../state/fold'
import { drafts } from '../state/look'
import { me } from '../state/me'
import { say } from '../state/outbox'
import { sessions } from '../state/overview'
import { plain } from '../text/plain'
import { t } from '../words'
import { prompt } from './dialog'
import { MODES } from './items'

export function Composer({ session, conversation }: { session: string; conversation: Conversation }) {
  const area = useRef<HTMLTextAreaElement>(null)
  const text = drafts.value[session] ?? ''
  const problem = useSignal('')
  const stopping = useSignal(false)
  const known = sessions.value.get(session)
  const isWorking = known?.status === 'working' || known?.status === 'waiting'

  const write = (value: string) => {
    const { [session]: _, ...others } = drafts.value
    drafts.value = value ? { ...others, [session]: value } : others
  }
  useEffect(() => {
    const element = area.current
    if (!element) return
    element.style.height = 'auto'
    element.style.height = `${Math.min(element.scrollHeight + 2, innerHeight * 0.4)}px`
  }, [text])

  const send = () => {
    if (!text.trim()) return
    say(session, text)
    write('')
    area.current?.focus()
  }
  const attempt = async (what: () => Promise<unknown>) => {
    problem.value = ''
    try {
      await what()
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      problem.value = error.status === 0 ? t('error.offline') : error.message
    }
  }
  return (
    <form class="composer" onSubmit={(event) => { event.preventDefault(); send() }}>
      {problem.value && <p class="problem small" role="alert">{problem.value}</p>}
      <div class="composer-line">
        <textarea
          ref={area}
          rows={1}
          class="field"
          aria-label={t('compose.label')}
          placeholder={t('compose.placeholder')}
          title={t('compose.hint')}
          enterkeyhint="send"
          dir="auto"
          value={text}
          onInput={(event) => write(event.currentTarget.value)}
          onKeyDown={(event) => {
            // While characters are being composed, Enter belongs to the input method.
            if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
              event.preventDefault()
              send()
            }
          }}
        />
        {isWorking && !text.trim() ? (
          <button
            type="button"
            class="round round-stop"
            aria-label={stopping.value ? t('compose.stopping') : t('compose.stop')}
            disabled={stopping.value}
            onClick={() => void (async () => {
              stopping.value = true
              await attempt(() => call('POST', `/sessions/${session}/interrupt`))
              setTimeout(() => (stopping.value = false), 2_000)
            })()}
          >
            <Square size={16} fill="currentColor" aria-hidden="true" />
          </button>
        ) : (
          <button class="round" aria-label={t('compose.send')} disabled={!text.trim()}><ArrowUp size={20} aria-hidden="true" /></button>
        )}
      </div>
      <Settings session={session} conversation={conversation} attempt={attempt} />
    </form>
  )
}

interface SettingsProps {
  session: string
  conversation: Conversation
  attempt: (what: () => Promise<unknown>) => Promise<void>
}

/** What the worker confirmed is what is shown; what was asked stands beside it until it is. */
function Settings({ session, conversation, attempt }: SettingsProps) {
  const known = sessions.value.get(session)
  const mode = conversation.mode.value ?? known?.mode ?? null
  const model = conversation.model.value ?? known?.model ?? null
  const askedMode = useSignal<string | null>(null)
  const askedModel = useSignal<string | null>(null)
  useEffect(() => void (askedMode.value = null), [mode])
  useEffect(() => void (askedModel.value = null), [model])
  const modeName = (name: string) => (name in MODES ? t(`mode.${name as keyof typeof MODES}`) : plain(name))
  const names = Object.keys(MODES).filter((name) => name !== 'bypassPermissions' || me.value?.role === 'admin')
  return (
    <div class="settings small">
      <label class="setting">
        <span class="quiet">{t('compose.mode')}</span>
        <select
          value={mode ?? ''}
          onChange={(event) => {
            const wanted = event.currentTarget.value
            // It jumps back until the worker says so.
            event.currentTarget.value = mode ?? ''
            askedMode.value = wanted
            void attempt(async () => {
              try {
                await call('POST', `/sessions/${session}/mode`, { mode: wanted })
              } catch (error) {
                askedMode.value = null
                throw error
              }
            })
          }}
        >
          {(mode === null || !names.includes(mode)) && <option value={mode ?? ''}>{mode ? modeName(mode) : t('compose.unknown')}</option>}
          {names.map((name) => <option key={name} value={name}>{modeName(name)}</option>)}
        </select>
      </label>
      <button
        type="button"
        class="setting setting-button"
        onClick={() => void attempt(async () => {
          const wanted = await prompt(t('compose.model.prompt'), model ?? '')
          if (wanted === null || wanted.trim() === model) return
          askedModel.value = wanted.trim() || 'default'
          await call('POST', `/sessions/${session}/model`, { model: wanted.trim() || 'default' })
        })}
      >
        <span class="quiet">{t('compose.model')}</span>
        <bdi>{model ? plain(model) : t('compose.unknown')}</bdi>
      </button>
      {askedMode.value && askedMode.value !== mode && <span class="asked-for" role="status">{t('compose.asked', { text: modeName(askedMode.value) })}</span>}
      {askedModel.value && askedModel.value !== model && <span class="asked-for" role="status">{t('compose.asked', { text: plain(askedModel.value) })}</span>}
    </div>
  )
}
