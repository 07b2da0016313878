// Questions of the app itself: one at a time, in the browser's own modal dialog, which keeps focus and Escape right.

import { signal } from '@preact/signals'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { onLeave } from '../state/me'
import { t } from '../words'

interface Ask {
  text: string
  /** With a field: what stands in it. */
  field?: string
  /** What the button says that does it; red where it takes something away. */
  yes?: string
  grave?: boolean
  /** There is nothing to choose. */
  only?: boolean
  answer: (text: string | null) => void
}

const asked = signal<Ask | null>(null)

export function confirm(text: string, button: { yes?: string; grave?: boolean } = {}): Promise<boolean> {
  return new Promise((resolve) => put({ text, ...button, answer: (given) => resolve(given !== null) }))
}

/** Something to know, with nothing to choose. */
export function tell(text: string): Promise<boolean> {
  return new Promise((resolve) => put({ text, only: true, answer: () => resolve(true) }))
}

export function prompt(text: string, field: string): Promise<string | null> {
  return new Promise((resolve) => {
    put({ text, field, answer: resolve })
  })
}

/** Whoever asked before and is still waiting is told no. */
function put(ask: Ask): void {
  asked.peek()?.answer(null)
  asked.value = ask
}

onLeave(() => {
  asked.peek()?.answer(null)
  asked.value = null
})

export function Dialogs() {
  const dialog = useRef<HTMLDialogElement>(null)
  const field = useRef<HTMLInputElement>(null)
  const ask = asked.value
  // With what is drawn and not a frame later: a key that is pressed in between would go to what is behind it.
  useLayoutEffect(() => {
    if (!ask) return
    if (!dialog.current?.open) dialog.current?.showModal()
    field.current?.select()
  }, [ask])
  if (!ask) return null
  const end = (given: string | null) => {
    // By the dialog itself, which gives the focus back.
    dialog.current?.close()
    asked.value = null
    ask.answer(given)
  }
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="dialog-text" onCancel={() => end(null)}>
      <form method="dialog" onSubmit={(event) => { event.preventDefault(); end(field.current?.value ?? '') }}>
        <label id="dialog-text" class="dialog-text" for={ask.field === undefined ? undefined : 'dialog-field'}>{ask.text}</label>
        {ask.field !== undefined && <input id="dialog-field" ref={field} class="field" defaultValue={ask.field} maxLength={200} />}
        <div class="dialog-buttons">
          {!ask.only && <button type="button" class="button" onClick={() => end(null)}>{t('dialog.cancel')}</button>}
          <button class={`button ${ask.grave ? 'button-danger' : 'button-main'}`}>{ask.yes ?? t('dialog.ok')}</button>
        </div>
      </form>
    </dialog>
  )
}
