// What one says to the agent: written in peace, kept until it is sent, and sent once.

import { ArrowUp, Square } from 'lucide-preact'
import { useSignal } from '@preact/signals'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import { call, Failure } from '../api'
import { attached, detach } from '../state/files'
import { drafts } from '../state/look'
import { say } from '../state/outbox'
import { sessions } from '../state/overview'
import type { Followed } from '../state/session'
import { t } from '../words'
import { useArmed } from './armed'
import { AttachButtons, AttachedNow, dropping, objection, take } from './attach'
import { Settings } from './settings'
import { useSuggest } from './suggest'

/** Comes up where Send was, as soon as something is sent. */
function Stop({ stop }: { stop: () => Promise<void> }) {
  const busy = useSignal(false)
  const armed = useArmed()
  const press = async () => {
    busy.value = true
    await stop()
    setTimeout(() => (busy.value = false), 2_000)
  }
  return (
    <button type="button" class="round round-stop" aria-label={t(busy.value ? 'compose.stopping' : 'compose.stop')} disabled={busy.value} {...armed(() => void press())}>
      <Square size={16} fill="currentColor" aria-hidden="true" />
    </button>
  )
}

export function Composer({ session, followed }: { session: string; followed: Followed }) {
  const area = useRef<HTMLTextAreaElement>(null)
  const conversation = followed.conversation.value
  const { offers } = conversation
  const text = drafts.value[session] ?? ''
  const files = attached.value[session] ?? []
  const caret = useSignal(text.length)
  const problem = useSignal('')
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

  // What it may be sent and set to was said when it began.
  const isUnknown = offers.isLink.value && (offers.prompts.value === null || offers.modes.value === null)
  const isLive = followed.state.value === 'live'
  useEffect(() => {
    if (isUnknown && isLive) void followed.lookBack()
  }, [isUnknown, isLive])

  const canSend = (text.trim() !== '' || files.length > 0) && !objection(offers, files)
  const send = () => {
    if (!canSend) return
    say(session, text, detach(session, null), offers.isLink.value)
    write('')
    caret.value = 0
    area.current?.focus()
  }
  // The field has the new text only when it was drawn. A frame later somebody has written on, and the caret would jump back.
  const caretNext = useRef<number | null>(null)
  useLayoutEffect(() => {
    const at = caretNext.current
    if (at === null) return
    caretNext.current = null
    area.current?.focus()
    area.current?.setSelectionRange(at, at)
  })
  const suggest = useSuggest({
    text,
    caret,
    offers,
    lookBack: () => void followed.lookBack(),
    put: (value, at) => {
      write(value)
      caret.value = at
      caretNext.current = at
    },
  })
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
      {dropping.value && <p class="drop-here small" role="status">{t('attach.drop')}</p>}
      <AttachedNow session={session} offers={offers} />
      {suggest.list}
      <div class="composer-line">
        <AttachButtons session={session} />
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
          {...suggest.field}
          onInput={(event) => {
            caret.value = event.currentTarget.selectionStart
            write(event.currentTarget.value)
          }}
          onSelect={(event) => (caret.value = event.currentTarget.selectionStart)}
          onPaste={(event) => {
            const pasted = [...(event.clipboardData?.files ?? [])]
            if (pasted.length === 0) return
            event.preventDefault()
            void take(session, pasted)
          }}
          onKeyDown={(event) => {
            if (suggest.onKey(event)) return event.preventDefault()
            // While characters are being composed, Enter belongs to the input method.
            if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
              event.preventDefault()
              send()
            }
          }}
        />
        {isWorking && !text.trim() && files.length === 0 ? (
          <Stop stop={() => attempt(() => call('POST', `/sessions/${session}/interrupt`))} />
        ) : (
          <button class="round" aria-label={t('compose.send')} disabled={!canSend}><ArrowUp size={20} aria-hidden="true" /></button>
        )}
      </div>
      <Settings session={session} conversation={conversation} attempt={attempt} />
    </form>
  )
}
