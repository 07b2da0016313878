// What was said, in the order of the log: read along at the end, or further up without being disturbed.

import { ArrowDown } from 'lucide-preact'
import { useComputed, useSignal, useSignalEffect } from '@preact/signals'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import { outbox } from '../state/outbox'
import type { Followed } from '../state/session'
import { t } from '../words'
import { Arrived, placeIn, useArrival } from './arrived'
import { ItemView, LaterView } from './items'

/** So close to the end one reads along. */
const NEAR_END = 96
/** So close to the edge of what is held more is read, in pixels: about half a screen, so that it is there in time. */
const NEAR_EDGE = 400

/** What stands at the top of the screen, to have it there again after things were put above it or taken away. */
interface Anchor {
  node: Element
  top: number
}

export function Log({ followed }: { followed: Followed }) {
  const box = useRef<HTMLDivElement>(null)
  const atEnd = useSignal(placeIn(followed.id) === null)
  const items = followed.shown.value.items.value
  const isPast = followed.past.value !== null
  const later = useComputed(() => outbox.value.filter((item) => item.session === followed.id && item.kind === 'message'))
  const anchor = useRef<Anchor | null>(null)
  const last = useRef({ top: 0, height: 0 })

  const arrival = useArrival(followed, () => {
    atEnd.value = false
    followed.scrolledUp = true
  })

  const toEnd = (smooth: boolean) => {
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches
    box.current?.scrollTo({ top: box.current.scrollHeight, behavior: smooth && !calm ? 'smooth' : 'instant' })
  }
  const toNow = (smooth: boolean) => {
    atEnd.value = true
    const isFar = followed.past.peek() !== null
    followed.toNow()
    // From the past there is no way to scroll along.
    requestAnimationFrame(() => toEnd(smooth && !isFar))
  }

  const hold = () => {
    const element = box.current
    const inner = element?.firstElementChild
    if (!element || !inner) return
    const top = element.getBoundingClientRect().top
    const node = [...inner.children].find((child) => child.classList.contains('item') && child.getBoundingClientRect().bottom > top)
    anchor.current = node ? { node, top: node.getBoundingClientRect().top } : null
    // The browser's own anchoring would move it a second time.
    element.style.overflowAnchor = 'none'
  }
  const letGo = () => {
    const element = box.current
    const held = anchor.current
    anchor.current = null
    if (element && held?.node.isConnected) element.scrollTop += held.node.getBoundingClientRect().top - held.top
    requestAnimationFrame(() => element?.style.removeProperty('overflow-anchor'))
  }
  useLayoutEffect(() => {
    if (anchor.current) letGo()
  }, [items])

  followed.shifting = hold

  // Who says something wants to see it there, wherever they read before.
  const saying = later.value.length
  const said = useRef(saying)
  useLayoutEffect(() => {
    if (saying > said.current) toNow(false)
    said.current = saying
  }, [saying])

  // Whatever grows (a word that streams in, a picture, a row that opens) is followed while one reads at the end.
  useEffect(() => {
    const element = box.current
    const inner = element?.firstElementChild
    if (!element || !inner) return
    const grown = new ResizeObserver(() => {
      if (!atEnd.value) return
      toEnd(false)
      // What became shorter moved everybody up, and the event that tells of it is still to come: that is no scrolling.
      last.current = { top: element.scrollTop, height: element.scrollHeight }
    })
    grown.observe(inner)
    grown.observe(element)
    return () => grown.disconnect()
  }, [])

  const onScroll = () => {
    const element = box.current
    if (!element) return
    const rest = element.scrollHeight - element.scrollTop - element.clientHeight
    // Whoever scrolls up, by however little, wants to read there. What becomes shorter moves everybody up by as much: no
    // scrolling.
    const shorter = Math.max(0, last.current.height - element.scrollHeight)
    const isUp = element.scrollTop < last.current.top - 1 - shorter && rest > 2
    last.current = { top: element.scrollTop, height: element.scrollHeight }
    if (isUp) atEnd.value = false
    else if (rest < NEAR_END && !isPast) atEnd.value = true
    followed.scrolledUp = !atEnd.value
    if (atEnd.value) followed.unread.value = 0
    if (followed.loadingMore.value) return
    if (element.scrollTop < NEAR_EDGE && followed.hasMore.value) void followed.more()
    else if (rest < NEAR_EDGE && isPast) void followed.later()
  }

  return (
    <div class="log-frame">
      <div class="log" ref={box} onScroll={onScroll} tabIndex={0} role="log" aria-live="off" aria-label={t('session.log')}>
        <div class="log-inner">
          {followed.state.value === 'loading' ? <p class="quiet centre">{t('home.loading')}</p> : followed.hasMore.value ? (
            <button class="button centre" onClick={() => void followed.more()} disabled={followed.loadingMore.value}>{followed.loadingMore.value ? t('home.loading') : t('session.earlier')}</button>
          ) : items.length === 0 && later.value.length === 0 ? <p class="quiet centre">{t('session.empty')}</p> : <p class="quiet centre small">{t('session.beginning')}</p>}
          {items.map((item) => {
            const { key } = item.peek()
            const view = <ItemView key={key} item={item} session={followed.id} />
            return key === arrival ? [<Arrived key={`at ${key}`} />, view] : view
          })}
          {!isPast && later.value.map((item) => item.kind === 'message' && <LaterView key={item.id} item={item} />)}
        </div>
      </div>
      {!atEnd.value && (
        <button class="to-end" onClick={() => toNow(true)}>
          <ArrowDown size={16} aria-hidden="true" />
          {followed.unread.value > 0 ? t('session.latest.new', { n: followed.unread.value }) : t('session.latest')}
        </button>
      )}
      <CaughtUp followed={followed} />
    </div>
  )
}

function CaughtUp({ followed }: { followed: Followed }) {
  useSignalEffect(() => {
    if (followed.caughtUp.value === 0) return
    const timer = setTimeout(() => (followed.caughtUp.value = 0), 6_000)
    return () => clearTimeout(timer)
  })
  return (
    <div class="toasts" role="status">
      {followed.caughtUp.value > 0 && <span class="toast">{t('session.caughtup', { n: followed.caughtUp.value })}</span>}
      {followed.state.value === 'lost' && <span class="toast toast-bad">{t('reach.lost')}</span>}
    </div>
  )
}
