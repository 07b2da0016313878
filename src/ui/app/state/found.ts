// What was said somewhere: a search of the log that begins when somebody stops typing, and goes further back when asked.

import { effect, signal } from '@preact/signals'
import { call, Failure, pause } from '../api'
import { t } from '../words'
import type { Hit, HitPage } from '../types'
import { query, status } from './list'

/** So long nobody types before something is asked. */
const RESTING_MS = 250
/** Pages without a hit that are asked for by themselves: a second or so of looking. */
const EMPTY_PAGES = 4

export interface Found {
  words: string
  hits: Hit[]
  state: 'looking' | 'there' | 'failed'
  next: string | null
  backTo: string | null
  why: string
}

/** Nothing, while nobody searches. */
export const found = signal<Found | null>(null)

/** One letter says nothing, one character of a writing without spaces may be a word. */
export function isWorthwhile(words: string): boolean {
  return words.length > 1 || /[^\u0000-\u02ff]/.test(words)
}

let looking = new AbortController()

/** Looks further back from where the search is. */
export async function further(): Promise<void> {
  looking.abort()
  const { signal } = (looking = new AbortController())
  const isArchived = status.peek() === 'archived'
  for (let pages = 0; ; pages++) {
    const before = found.peek()
    if (!before) return
    found.value = { ...before, state: 'looking', why: '' }
    const asked = new URLSearchParams({ q: before.words, ...(isArchived ? { archived: 'true' } : {}), ...(before.next ? { after: before.next } : {}) })
    let page: HitPage
    try {
      page = await call<HitPage>('GET', `/search?${asked}`, undefined, { signal })
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof Failure)) throw error
      // Somebody who types fast has the searches before still under way.
      if (error.status === 429 && pages < EMPTY_PAGES) {
        await pause(0, signal)
        if (signal.aborted) return
        continue
      }
      found.value = { ...before, state: 'failed', why: error.status === 0 ? t('error.offline') : error.message }
      return
    }
    if (signal.aborted) return
    found.value = { ...before, hits: [...before.hits, ...page.hits], state: 'there', next: page.next ?? null, backTo: page.back_to ?? null, why: '' }
    if (!page.next || page.hits.length > 0 || pages >= EMPTY_PAGES) return
  }
}

effect(() => {
  const words = query.value.trim()
  void status.value
  looking.abort()
  if (!isWorthwhile(words)) {
    found.value = null
    return
  }
  found.value = { words, hits: found.peek()?.words === words ? (found.peek()?.hits ?? []) : [], state: 'looking', next: null, backTo: null, why: '' }
  const timer = setTimeout(() => {
    if (found.peek()) found.value = { ...found.peek()!, hits: [] }
    void further()
  }, RESTING_MS)
  return () => clearTimeout(timer)
})
