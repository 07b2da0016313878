import { useMemo } from 'preact/hooks'
import { changes, counts, type Line } from '../text/changes'
import { plain } from '../text/plain'

const SIGNS = { same: ' ', gone: '−', new: '+', skip: '⋯' } as const

export function Diff({ before, after }: { before: string; after: string }) {
  const lines = useMemo(() => changes(plain(before), plain(after)), [before, after])
  return <Lines lines={lines} />
}

function Lines({ lines }: { lines: Line[] }) {
  const { added, removed } = counts(lines)
  return (
    <div class="diff">
      <p class="diff-sum small"><span class="plus">+{added}</span> <span class="minus">−{removed}</span></p>
      <div class="diff-lines" tabIndex={0}>
        <div class="diff-body">
          {lines.slice(0, 2_000).map((line, index) => (
            <div key={index} class={`line line-${line.kind}`}>
              <span class="sign" aria-hidden="true">{SIGNS[line.kind]}</span>
              <span class="line-text">
                {line.pieces.map((piece, at) => (piece.changed ? (line.kind === 'gone' ? <del key={at}>{piece.text}</del> : <ins key={at}>{piece.text}</ins>) : piece.text))}
              </span>
            </div>
          ))}
        </div>
      </div>
    </div>
  )
}
