// Signals that outlive the page and are shared between tabs. What cannot be kept (private windows, a full disk) lives
// as long as the page.

import { effect, signal, type Signal } from '@preact/signals'

export function kept<T>(name: string, fresh: T): Signal<T> {
  const key = `rcs.${name}`
  const held = signal<T>(read(key, fresh))
  let own = JSON.stringify(held.value)
  effect(() => {
    const text = JSON.stringify(held.value)
    if (text === own) return
    own = text
    try {
      localStorage.setItem(key, text)
    } catch {
      // It is in memory, which is all that can be had.
    }
  })
  addEventListener('storage', (event) => {
    if (event.key !== key || event.newValue === null) return
    own = event.newValue
    held.value = JSON.parse(event.newValue) as T
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
