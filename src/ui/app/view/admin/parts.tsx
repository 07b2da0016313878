// What the screens of this folder share: asking the server, saying what went wrong, and facts in two columns.

import { Check, Copy } from 'lucide-preact'
import { useSignal, type ReadonlySignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { ComponentChildren } from 'preact'
import { Failure } from '../../api'
import { copy } from '../../text/plain'
import { t } from '../../words'

/** Tries something and keeps what the server had against it. */
export function useAttempt(): { problem: ReadonlySignal<string>; busy: ReadonlySignal<boolean>; attempt: (what: () => Promise<unknown>) => Promise<void> } {
  const problem = useSignal('')
  const busy = useSignal(false)
  const attempt = async (what: () => Promise<unknown>) => {
    problem.value = ''
    busy.value = true
    try {
      await what()
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      problem.value = error.status === 0 ? t('error.offline') : error.message
    } finally {
      busy.value = false
    }
  }
  return { problem, busy, attempt }
}

/** Once, when the screen opens. */
export function useStart(what: () => unknown): void {
  useEffect(() => void what(), [])
}

export function Problem({ text }: { text: string }) {
  return text ? <p class="problem" role="alert">{text}</p> : null
}

export function Facts({ of }: { of: readonly (readonly [string, ComponentChildren] | false | null | undefined)[] }) {
  return (
    <dl class="facts">
      {of.map((fact) => fact && (
        <div key={fact[0]}>
          <dt>{fact[0]}</dt>
          <dd>{fact[1]}</dd>
        </div>
      ))}
    </dl>
  )
}

/** Text that is to be taken elsewhere. */
export function Takeaway({ text, label }: { text: string; label: string }) {
  const copied = useSignal(false)
  return (
    <div class="takeaway">
      <pre tabIndex={0} aria-label={label}><code>{text}</code></pre>
      <button
        class="button"
        onClick={() => void copy(text).then(() => {
          copied.value = true
          setTimeout(() => (copied.value = false), 2_000)
        })}
      >
        {copied.value ? <Check size={16} aria-hidden="true" /> : <Copy size={16} aria-hidden="true" />}
        <span aria-live="polite">{t(copied.value ? 'admin.copy.done' : 'item.copy')}</span>
      </button>
    </div>
  )
}
