// Signals that outlive the page and are shared between tabs. What cannot be kept (private windows, a full disk) lives
// as long as the page.

import { effect, signal, type Signal } from '@preact/signals'

/** What brings a signal up to what is kept, where another page of ours wrote and this one has not heard of it yet. */
const readers = new WeakMap<Signal, () => void>()

/**
 * Changes what is kept, from what is there now. A page that sleeps in the background wakes up with what it knew before,
 * and would write that over what was said elsewhere meanwhile.
 */
export function revise<T>(held: Signal<T>, to: (now: T) => T): void {
  readers.get(held)?.()
  held.value = to(held.peek())
}

export function kept<T>(name: string, fresh: T): Signal<T> {
  const key = `rcs.${name}`
  const held = signal<T>(read(key, fresh))
  let own = JSON.stringify(held.value)
  let isKept = true
  effect(() => {
    const text = JSON.stringify(held.value)
    if (text === own) return
    own = text
    try {
      localStorage.setItem(key, text)
      isKept = true
    } catch {
      isKept = false
      // It is in memory, which is all that can be had.
    }
  })
  const take = (text: string | null) => {
    if (text === null || text === own || !isKept) return
    own = text
    held.value = JSON.parse(text) as T
  }
  readers.set(held, () => {
    try {
      take(localStorage.getItem(key))
    } catch {
      // What is in memory is all that there is.
    }
  })
  addEventListener('storage', (event) => {
    if (event.key === key) take(event.newValue)
  })
  return held
}

function read<T>(key: string, fresh: T): T {
  try {
    const text = localStorage.getItem(key)
    return text === null ? fresh : (JSON.parse(text) as T)
  } catch {
    return fresh
  }
}
