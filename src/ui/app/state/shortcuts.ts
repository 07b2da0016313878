// Keys that act: one table, from which they are done and from which the list is drawn. What a key needs is looked for on
// the screen by its element or its address; where it is not there, the key does nothing.

import { signal } from '@preact/signals'
import type { Word } from '../words/en'
import { t } from '../words'
import { confirm } from '../view/dialog'
import { kept } from './kept'
import { waiting } from './overview'
import { go, place } from './place'

/** Single keys get in the way of some who speak to their computer or whose hands shake: they can be turned off. */
export const active = kept('shortcuts', true)
export const listed = signal(false)

export interface Shortcut {
  /** Each one of them does it; two keys with a space between them are pressed after one another. */
  keys: string[]
  word: Word
  group: 'anywhere' | 'list' | 'session'
  /** Whether it could be done. */
  act: (key: string) => boolean
}

const press = (selector: string) => {
  const found = document.querySelector<HTMLElement>(selector)
  found?.click()
  return found !== null
}

const focus = (selector: string) => {
  const found = document.querySelector<HTMLElement>(selector)
  found?.focus()
  return found !== null && document.activeElement === found
}

/** Opens the neighbour where one is open, and else only goes there: Enter opens it. */
function step(by: 1 | -1): boolean {
  const cards = [...document.querySelectorAll<HTMLElement>('a.session-card')]
  const at = cards.findIndex((card) => card === document.activeElement)
  const open = cards.findIndex((card) => card.getAttribute('aria-current') === 'page')
  const from = at >= 0 ? at : open
  const next = cards[from < 0 ? (by > 0 ? 0 : cards.length - 1) : from + by]
  if (!next) return false
  if (place.value.name === 'session') next.click()
  next.focus()
  next.scrollIntoView({ block: 'nearest' })
  return true
}

function stepWaiting(by: 1 | -1): boolean {
  const list = waiting.value
  const here = place.value
  const at = list.findIndex((session) => here.name === 'session' && session.id === here.id)
  const next = at < 0 ? list.at(by > 0 ? 0 : -1) : list[(at + by + list.length) % list.length]
  if (!next || next.id === list[at]?.id) return false
  go({ name: 'session', id: next.id })
  return true
}

function search(): boolean {
  const field = '[data-key="search"], input[type="search"]'
  if (focus(field)) return true
  // On a phone the list is another screen.
  go({ name: 'home' })
  requestAnimationFrame(() => focus(field))
  return true
}

/** The first button of the two that answers yes: it is pressed only after one more question, never by one key. */
function allow(): boolean {
  const button = document.querySelector<HTMLButtonElement>('[data-key="allow"]')
  // What came up a moment ago is not read yet; once it is, the answer to the next question is meant.
  if (!button || button.disabled || button.ariaDisabled === 'true') return false
  const about = document.querySelector('.sheet-head h2')?.textContent ?? ''
  const what = document.querySelector('.sheet-body .code, .sheet-body .path, .sheet-body')?.textContent ?? ''
  void confirm(t('keyboard.allow.sure', { text: `${about}: ${what.slice(0, 400)}` }), { yes: button.textContent ?? t('keyboard.allow.yes') }).then((sure) => {
    // Another question may stand there by now.
    if (sure && button.isConnected) button.click()
  })
  return true
}

function leave(): boolean {
  const list = document.querySelector<HTMLDialogElement>('dialog.keyboard')
  if (listed.value && list) {
    list.close()
    return true
  }
  const field = document.activeElement
  if (!(field instanceof HTMLElement) || !isTyping(field)) return false
  field.blur()
  return true
}

export const SHORTCUTS: readonly Shortcut[] = [
  { keys: ['?'], word: 'keyboard.help', group: 'anywhere', act: () => (listed.value = true) },
  { keys: ['/'], word: 'keyboard.search', group: 'anywhere', act: search },
  { keys: ['n'], word: 'keyboard.new', group: 'anywhere', act: () => press('[data-key="new"], a[href="/code/new"]') },
  { keys: [']'], word: 'keyboard.waiting.next', group: 'anywhere', act: () => stepWaiting(1) },
  { keys: ['['], word: 'keyboard.waiting.previous', group: 'anywhere', act: () => stepWaiting(-1) },
  { keys: ['g h'], word: 'keyboard.home', group: 'anywhere', act: () => (go({ name: 'home' }), true) },
  { keys: ['g a'], word: 'keyboard.admin', group: 'anywhere', act: () => (go({ name: 'devices' }), true) },
  { keys: ['Escape'], word: 'keyboard.escape', group: 'anywhere', act: leave },
  { keys: ['j', 'ArrowDown'], word: 'keyboard.next', group: 'list', act: (key) => (key === 'j' || inList()) && step(1) },
  { keys: ['k', 'ArrowUp'], word: 'keyboard.previous', group: 'list', act: (key) => (key === 'k' || inList()) && step(-1) },
  { keys: ['c'], word: 'keyboard.write', group: 'session', act: () => focus('.composer textarea') },
  { keys: ['a'], word: 'keyboard.allow', group: 'session', act: allow },
  { keys: ['d'], word: 'keyboard.deny', group: 'session', act: () => press('[data-key="deny"]') },
]

/** Elsewhere the arrows scroll. */
const inList = () => document.activeElement?.matches('a.session-card') ?? false

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches('input, textarea, select'))
}

/** The first key of two, and when it is forgotten. */
let first = ''
let forget: ReturnType<typeof setTimeout> | undefined
const SECOND_KEY_MS = 1_500

addEventListener('keydown', (event) => {
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return
  const isEscape = event.key === 'Escape'
  if (!isEscape && (!active.value || isTyping(event.target))) return
  // A dialog has its own keys, Escape among them.
  if (document.querySelector('dialog[open]') && !(isEscape && listed.value)) return
  const before = first
  first = ''
  clearTimeout(forget)
  const done = (keys: string) => SHORTCUTS.find((one) => one.keys.includes(keys))?.act(keys) ?? false
  if (before ? done(`${before} ${event.key}`) : done(event.key)) {
    event.preventDefault()
  } else if (!before && SHORTCUTS.some((one) => one.keys.some((keys) => keys.startsWith(`${event.key} `)))) {
    first = event.key
    forget = setTimeout(() => (first = ''), SECOND_KEY_MS)
  }
})
