// What the agent offers while one writes: its commands behind `/`, the files that it touched behind `@`. The field keeps
// the focus; the list is walked with the arrows or touched.

import { useSignal, type Signal } from '@preact/signals'
import { useEffect, useId, useRef } from 'preact/hooks'
import type { Offers } from '../state/offers'
import { plain } from '../text/plain'
import { t } from '../words'

interface Hint {
  kind: 'command' | 'file'
  /** Where what is being completed begins, behind its sign. */
  from: number
  query: string
}

interface Choice {
  value: string
  description: string
}

/** Choices that are drawn: more of them nobody reads, they write on. */
const SHOWN_MAX = 40

export function hintAt(text: string, caret: number): Hint | null {
  const before = text.slice(0, caret)
  const command = /^\/(\S*)$/.exec(before)
  if (command) return { kind: 'command', from: 1, query: command[1] ?? '' }
  const file = /(?:^|\s)@(\S*)$/.exec(before)
  return file ? { kind: 'file', from: caret - (file[1] ?? '').length, query: file[1] ?? '' } : null
}

function choicesFor(hint: Hint, offers: Offers): Choice[] {
  const directory = offers.directory.value.replace(/\/$/, '')
  const short = (path: string) => (directory && path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : path)
  const all: Choice[] =
    hint.kind === 'command'
      ? (offers.commands.value ?? []).map(({ name, description }) => ({ value: name, description }))
      : offers.paths().map((path) => ({ value: short(path), description: '' }))
  const query = hint.query.toLowerCase()
  const last = (value: string) => value.slice(value.lastIndexOf('/') + 1)
  const starts = (value: string) => value.startsWith(query) || last(value).startsWith(query)
  const found = all.filter((choice) => choice.value.toLowerCase().includes(query))
  return [...found.filter((choice) => starts(choice.value.toLowerCase())), ...found.filter((choice) => !starts(choice.value.toLowerCase()))]
}

export interface Suggest {
  /** For the field, while there is something to choose. */
  field: Record<string, string | boolean | undefined>
  /** Whether the key was ours. */
  onKey: (event: KeyboardEvent) => boolean
  list: preact.ComponentChild
}

interface Use {
  text: string
  caret: Signal<number>
  offers: Offers
  /** Puts the text and the caret. */
  put: (text: string, caret: number) => void
  /** Asks the log for what the agent announced before the part that is here. */
  lookBack: () => void
}

export function useSuggest({ text, caret, offers, put, lookBack }: Use): Suggest {
  const id = useId()
  const at = useSignal(0)
  const shut = useSignal('')
  const box = useRef<HTMLUListElement>(null)
  const hint = hintAt(text, caret.value)
  const key = hint ? `${hint.kind}${hint.from}` : ''
  const isOpen = hint !== null && shut.value !== key
  const choices = isOpen ? choicesFor(hint, offers) : []
  const shown = choices.slice(0, SHOWN_MAX)
  const index = Math.min(at.value, shown.length - 1)
  useEffect(() => {
    at.value = 0
  }, [key, hint?.query])
  useEffect(() => {
    if (!key) shut.value = ''
    if (hint?.kind === 'command' && offers.commands.peek() === null) lookBack()
  }, [key])
  useEffect(() => {
    box.current?.children[index]?.scrollIntoView({ block: 'nearest' })
  }, [index])
  const choose = (choice: Choice) => {
    if (!hint) return
    const head = `${text.slice(0, hint.from)}${choice.value} `
    put(head + text.slice(caret.peek()).replace(/^\S*\s?/, ''), head.length)
  }
  const onKey = (event: KeyboardEvent): boolean => {
    if (!isOpen || event.isComposing) return false
    if (event.key === 'Escape') {
      shut.value = key
      return true
    }
    if (shown.length === 0) return false
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step) {
      at.value = (index + step + shown.length) % shown.length
      return true
    }
    const chosen = shown[index]
    // What is there already in full is sent, not completed once more.
    const isWhole = chosen?.value === hint.query
    if (!chosen || event.shiftKey || (event.key !== 'Tab' && (event.key !== 'Enter' || isWhole))) return false
    choose(chosen)
    return true
  }
  const none = hint?.kind === 'command' ? (offers.commands.value === null ? t('suggest.commands.unknown') : '') : offers.paths().length === 0 ? t('suggest.files.none') : ''
  return {
    onKey,
    field: shown.length > 0 ? { role: 'combobox', 'aria-expanded': 'true', 'aria-autocomplete': 'list', 'aria-controls': id, 'aria-activedescendant': `${id}-${index}` } : {},
    list: isOpen && (shown.length > 0 || none) && (
      <div class="suggest">
        {shown.length > 0 ? (
          <ul ref={box} id={id} role="listbox" aria-label={hint.kind === 'command' ? t('suggest.commands') : t('suggest.files')}>
            {shown.map((choice, place) => (
              <li
                key={choice.value}
                id={`${id}-${place}`}
                role="option"
                aria-selected={place === index}
                // The field keeps the focus, and a phone its keyboard.
                onMouseDown={(event) => event.preventDefault()}
                onClick={() => choose(choice)}
              >
                <bdi class="suggest-name">{hint.kind === 'command' ? '/' : '@'}{plain(choice.value)}</bdi>
                {choice.description && <span class="quiet small suggest-what">{plain(choice.description).slice(0, 300)}</span>}
              </li>
            ))}
          </ul>
        ) : <p class="quiet small" role="status">{none}</p>}
        {shown.length > 0 && (hint.kind === 'file' || choices.length > shown.length) && (
          <p class="quiet small suggest-foot">{choices.length > shown.length ? t('suggest.more', { n: choices.length - shown.length }) : t('suggest.files.known')}</p>
        )}
      </div>
    ),
  }
}
