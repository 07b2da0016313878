// How it looks, as this browser's user wants it, and the minute that it is.

import { signal } from '@preact/signals'
import { kept } from './kept'

export const theme = kept<'auto' | 'light' | 'dark'>('theme', 'auto')

/** Ticks often enough for "3 min ago". */
export const now = signal(Date.now())
setInterval(() => {
  now.value = Date.now()
}, 20_000)

export const drafts = kept<Record<string, string>>('drafts', {})
