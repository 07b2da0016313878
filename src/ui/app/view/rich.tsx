// Foreign text on the page: formatted, coloured, cut where nobody would read on, and never acting.

import { Check, Copy } from 'lucide-preact'
import { useSignal } from '@preact/signals'
import { render } from 'preact'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { HIGHLIGHT_MAX, highlighter, html } from '../text/markdown'
import { copy, exact, plain, size } from '../text/plain'
import { t } from '../words'

export function CopyButton({ text }: { text: () => string }) {
  const done = useSignal(false)
  return (
    <button
      type="button"
      class="copy"
      onClick={() => void copy(text()).then(() => {
        done.value = true
        setTimeout(() => (done.value = false), 1_500)
      })}
    >
      {done.value ? <Check size={14} aria-hidden="true" /> : <Copy size={14} aria-hidden="true" />}
      <span>{done.value ? t('item.copied') : t('item.copy')}</span>
    </button>
  )
}

export function Markdown({ text, streaming = false }: { text: string; streaming?: boolean }) {
  const box = useRef<HTMLDivElement>(null)
  const inner = useMemo(() => html(plain(text)), [text])
  useEffect(() => {
    // While it streams in, code is redrawn with every word; colours and buttons come when it stands.
    if (!box.current || streaming || inner === null) return
    const heads = [...box.current.querySelectorAll('pre')].flatMap(dress)
    for (const table of box.current.querySelectorAll('table')) {
      const frame = document.createElement('div')
      frame.className = 'wide'
      frame.tabIndex = 0
      table.replaceWith(frame)
      frame.append(table)
    }
    // What is drawn within follows the language, and would do so for ever.
    return () => heads.forEach((head) => render(null, head))
  }, [inner, streaming])
  if (inner === null) {
    return (
      <>
        <p class="quiet small">{t('item.long')}</p>
        <Output text={text} />
      </>
    )
  }
  return <div ref={box} class={`prose${streaming ? ' streaming' : ''}`} dir="auto" dangerouslySetInnerHTML={{ __html: inner }} />
}

/** Gives a block of code its head, which is returned: it has to be taken down again. */
function dress(pre: HTMLPreElement): Element[] {
  const code = pre.querySelector('code')
  if (!code || pre.parentElement?.classList.contains('code')) return []
  const language = code.className.replace('language-', '')
  const text = code.textContent
  const frame = document.createElement('div')
  frame.className = 'code'
  const head = document.createElement('div')
  head.className = 'code-head'
  pre.replaceWith(frame)
  frame.append(head, pre)
  pre.tabIndex = 0
  render(<><span>{language}</span><CopyButton text={() => text} /></>, head)
  if (language && text.length < HIGHLIGHT_MAX) {
    void highlighter().then((highlight) => {
      const coloured = highlight(text, language)
      if (coloured !== null) code.innerHTML = coloured
    })
  }
  return [head]
}

/** Shown unasked: far more than somebody reads, and less than stops a phone. That there is more is said. */
const CODE_FIRST = 20_000

/** What goes into a tool, exactly: it may be about to be allowed. */
export function Code({ text, language }: { text: string; language: string }) {
  const code = useRef<HTMLElement>(null)
  const all = useSignal(false)
  const whole = useMemo(() => exact(text), [text])
  const isCut = whole.length > CODE_FIRST && !all.value
  const shown = isCut ? whole.slice(0, CODE_FIRST) : whole
  useEffect(() => {
    if (shown.length >= HIGHLIGHT_MAX) return
    void highlighter().then((highlight) => {
      const coloured = highlight(shown, language)
      if (coloured !== null && code.current) code.current.innerHTML = coloured
    })
  }, [shown, language])
  return (
    <div class="code">
      <div class="code-head"><span>{language}</span><CopyButton text={() => text} /></div>
      <pre tabIndex={0}><code ref={code} key={shown}>{shown}</code></pre>
      {isCut && <button type="button" class="more" onClick={() => (all.value = true)}>{t('item.more', { size: size(whole.length) })}</button>}
    </div>
  )
}

const SHOWN_FIRST = 6_000
/** Even on demand: a line of many megabytes stops every browser. */
const SHOWN_MOST = 400_000

/** What a command printed. */
export function Output({ text }: { text: string }) {
  const all = useSignal(false)
  const clean = useMemo(() => plain(text), [text])
  const isCut = clean.length > SHOWN_FIRST && !all.value
  return (
    <div class="code output">
      <div class="code-head"><span>{t('item.output')}</span><CopyButton text={() => text} /></div>
      <pre tabIndex={0}>{isCut ? clean.slice(0, SHOWN_FIRST) : clean.slice(0, SHOWN_MOST)}{isCut && '…'}</pre>
      {isCut && <button type="button" class="more" onClick={() => (all.value = true)}>{t('item.more', { size: size(clean.length) })}</button>}
    </div>
  )
}
