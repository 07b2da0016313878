// Foreign text on the page: formatted, coloured, cut where nobody would read on, and never acting.

import { Check, Copy } from 'lucide-preact'
import { useSignal } from '@preact/signals'
import { render } from 'preact'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { HIGHLIGHT_MAX, MARKDOWN_MAX, highlighter, html } from '../text/markdown'
import { copy, plain, size } from '../text/plain'
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
  const isLong = text.length > MARKDOWN_MAX
  const inner = useMemo(() => (isLong ? '' : html(plain(text))), [text])
  useEffect(() => {
    // While it streams in, code is redrawn with every word; colours and buttons come when it stands.
    if (!box.current || streaming || isLong) return
    for (const pre of box.current.querySelectorAll('pre')) dress(pre)
    for (const table of box.current.querySelectorAll('table')) {
      const frame = document.createElement('div')
      frame.className = 'wide'
      frame.tabIndex = 0
      table.replaceWith(frame)
      frame.append(table)
    }
  }, [inner, streaming])
  if (isLong) {
    return (
      <>
        <p class="quiet small">{t('item.long')}</p>
        <Output text={text} />
      </>
    )
  }
  return <div ref={box} class={`prose${streaming ? ' streaming' : ''}`} dir="auto" dangerouslySetInnerHTML={{ __html: inner }} />
}

function dress(pre: HTMLPreElement): void {
  const code = pre.querySelector('code')
  if (!code || pre.parentElement?.classList.contains('code')) return
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
}

export function Code({ text, language }: { text: string; language: string }) {
  const code = useRef<HTMLElement>(null)
  const shown = plain(text)
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
      {isCut && <button class="more" onClick={() => (all.value = true)}>{t('item.more', { size: size(clean.length) })}</button>}
    </div>
  )
}
