// Coming to a place in a conversation from somewhere else: what is there is loaded, shown, and marked for a moment.

import { useSignal, type Signal } from '@preact/signals'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import { Failure } from '../api'
import type { Item } from '../state/items'
import { place } from '../state/place'
import type { Followed } from '../state/session'
import { t } from '../words'

/** So long it is marked. */
const MARKED_MS = 4_000

/** The place that one comes to, if it is in this session. */
export function placeIn(id: string): number | null {
  const here = place.value
  return here.name === 'session' && here.id === id ? (here.at ?? null) : null
}

/** The key of the item to come to, once it is loaded; `leave` is called before, so that nothing scrolls to the end. */
export function useArrival(followed: Followed, leave: () => void): string | null {
  const at = placeIn(followed.id)
  const there = useSignal(0)
  useEffect(() => {
    if (at === null || followed.state.value === 'loading') return
    leave()
    let isOver = false
    void followed
      .goTo(at)
      .catch((error: unknown) => {
        // What is here stays here; the button above it goes further back.
        if (!(error instanceof Failure)) throw error
      })
      .then(() => {
        if (isOver) return
        leave()
        there.value = at
      })
    return () => {
      isOver = true
    }
  }, [at, followed.state.value === 'loading'])
  if (at === null || there.value !== at) return null
  return keyAt(followed.shown.value.items.value, at)
}

/** What stands at a sequence: the last item that begins at it or before it. */
function keyAt(items: readonly Signal<Item>[], at: number): string | null {
  let key: string | null = null
  for (const item of items) {
    const { sequence, key: own } = item.peek()
    if (sequence > at) break
    key = own
  }
  return key ?? items[0]?.peek().key ?? null
}

/** Stands before the item, which it brings into sight and marks. */
export function Arrived() {
  const here = useRef<HTMLSpanElement>(null)
  useLayoutEffect(() => {
    const item = here.current?.nextElementSibling
    if (!item) return
    item.scrollIntoView({ block: 'center', behavior: 'instant' })
    let timer: ReturnType<typeof setTimeout> | undefined
    // A long history takes a while to be drawn: the time counts from when somebody can see it.
    let frame = requestAnimationFrame(() => {
      frame = requestAnimationFrame(() => {
        item.scrollIntoView({ block: 'center', behavior: 'instant' })
        item.classList.add('is-arrived')
        timer = setTimeout(() => item.classList.remove('is-arrived'), MARKED_MS)
      })
    })
    return () => {
      cancelAnimationFrame(frame)
      clearTimeout(timer)
      item.classList.remove('is-arrived')
    }
  }, [])
  return <span ref={here} class="sr" role="status">{t('found.arrived')}</span>
}
