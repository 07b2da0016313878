// Two versions of a text as lines to show: what went, what came, and within changed lines which words.

import { diffLines, diffWordsWithSpace } from 'diff'

export interface Piece {
  text: string
  changed: boolean
}

export interface Line {
  kind: 'same' | 'gone' | 'new' | 'skip'
  pieces: Piece[]
}

/** Unchanged lines that are shown around a change. */
const CONTEXT = 3
/** Beyond this words are not compared: it would take longer than reading. */
const WORDS_MAX = 2_000

export function changes(before: string, after: string): Line[] {
  const parts = diffLines(before, after, { maxEditLength: 4_000 }) ?? [
    { value: before, removed: true, added: false },
    { value: after, removed: false, added: true },
  ]
  const lines: Line[] = []
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index]!
    const next = parts[index + 1]
    if (part.removed && next?.added) {
      lines.push(...paired(split(part.value), split(next.value)))
      index++
    } else {
      const kind = part.removed ? 'gone' : part.added ? 'new' : 'same'
      lines.push(...split(part.value).map((text): Line => ({ kind, pieces: [{ text, changed: false }] })))
    }
  }
  return folded(lines)
}

function split(text: string): string[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines
}

function paired(gone: string[], fresh: string[]): Line[] {
  const before: Line[] = []
  const after: Line[] = []
  for (let index = 0; index < Math.max(gone.length, fresh.length); index++) {
    const [one, other] = [gone[index], fresh[index]]
    if (one !== undefined && other !== undefined && one.length + other.length < WORDS_MAX) {
      const words = diffWordsWithSpace(one, other)
      const same = words.filter((word) => !word.added && !word.removed).reduce((sum, word) => sum + word.value.length, 0)
      // Lines that share little are two lines, and marking every word of them says nothing.
      const alike = same * 3 > Math.max(one.length, other.length)
      const pick = (side: 'added' | 'removed'): Piece[] =>
        words.filter((word) => !word[side]).map((word) => ({ text: word.value, changed: alike && (word.added || word.removed) }))
      before.push({ kind: 'gone', pieces: pick('added') })
      after.push({ kind: 'new', pieces: pick('removed') })
    } else {
      if (one !== undefined) before.push({ kind: 'gone', pieces: [{ text: one, changed: false }] })
      if (other !== undefined) after.push({ kind: 'new', pieces: [{ text: other, changed: false }] })
    }
  }
  return [...before, ...after]
}

function folded(lines: Line[]): Line[] {
  const near = lines.map(() => false)
  lines.forEach((line, index) => {
    if (line.kind === 'same') return
    for (let at = Math.max(0, index - CONTEXT); at <= Math.min(lines.length - 1, index + CONTEXT); at++) near[at] = true
  })
  const out: Line[] = []
  lines.forEach((line, index) => {
    if (near[index]) out.push(line)
    else if (out.at(-1)?.kind !== 'skip') out.push({ kind: 'skip', pieces: [] })
  })
  return out
}

export function counts(lines: readonly Line[]): { added: number; removed: number } {
  return {
    added: lines.filter((line) => line.kind === 'new').length,
    removed: lines.filter((line) => line.kind === 'gone').length,
  }
}
