// A change as its lines, with the words that changed marked within them.

import { useSignal } from '@preact/signals'
import { useMemo } from 'preact/hooks'
import { changes, counts, type Line } from '../text/changes'
import { exact } from '../text/plain'
import { t } from '../words'

const SIGNS = { same: ' ', gone: '−', new: '+', skip: '⋯' } as const

/** Lines that are drawn unasked. That there are more is said: somebody may be about to allow them. */
const LINES_FIRST = 1_000

export function Diff({ before, after }: { before: string; after: string }) {
  const lines = useMemo(() => changes(exact(before), exact(after)), [before, after])
  return <Lines lines={lines} />
}

function Lines({ lines }: { lines: Line[] }) {
  const { added, removed } = counts(lines)
  const all = useSignal(false)
  const shown = all.value ? lines : lines.slice(0, LINES_FIRST)
  return (
    <div class="diff">
      <p class="diff-sum small"><span class="plus">+{added}</span> <span class="minus">−{removed}</span></p>
      <div class="diff-lines" tabIndex={0}>
        <div class="diff-body">
          {shown.map((line, index) => (
            <div key={index} class={`line line-${line.kind}`}>
              <span class="sign" aria-hidden="true">{SIGNS[line.kind]}</span>
              <span class="line-text">
                {line.pieces.map((piece, at) => (piece.changed ? (line.kind === 'gone' ? <del key={at}>{piece.text}</del> : <ins key={at}>{piece.text}</ins>) : piece.text))}
              </span>
            </div>
          ))}
        </div>
      </div>
      {shown.length < lines.length && <button class="more" onClick={() => (all.value = true)}>{t('diff.more', { n: lines.length - shown.length })}</button>}
    </div>
  )
}
