// One session: its conversation, what it asks, and what one says to it.

import { ArrowDown, ArrowLeft, Archive, Ellipsis, History, Pencil } from 'lucide-preact'
import { useComputed, useSignal, useSignalEffect } from '@preact/signals'
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks'
import { call, Failure } from '../api'
import { me } from '../state/me'
import { clockOffsetMs, environments, sessions } from '../state/overview'
import { now } from '../state/look'
import { outbox } from '../state/outbox'
import { follow, go } from '../state/place'
import { Followed } from '../state/session'
import { plain } from '../text/plain'
import { t } from '../words'
import { Sheet } from './ask'
import { dropOn } from './attach'
import { Composer } from './compose'
import { confirm, prompt } from './dialog'
import { Dot, stateWords } from './home'
import { ItemView, LaterView } from './items'
import { Lightbox } from './picture'
import { Todos } from './tool'

/** So close to the end one reads along. */
const NEAR_END = 96

export function Talk({ id }: { id: string }) {
  const followed = useMemo(() => new Followed(id), [id])
  useEffect(() => () => followed.end(), [followed])
  const session = sessions.value.get(id)
  if (followed.state.value === 'missing') {
    return <p class="quiet nothing-chosen">{t('session.missing')}</p>
  }
  const conversation = followed.conversation.value
  const canAct = me.value?.role === 'member' || me.value?.role === 'admin'
  const isArchived = conversation.archived.value
  return (
    <div class="talk" {...(canAct && !isArchived ? dropOn(id) : {})}>
      <Head id={id} followed={followed} />
      <Tasks tasks={conversation.tasks.value} />
      <Log followed={followed} />
      <Sheet session={id} conversation={conversation} canAct={canAct} isAway={session ? !session.worker.online : false} />
      {isArchived ? <p class="archived quiet">{t('session.archived')}</p> : canAct && <Composer session={id} followed={followed} />}
      <Lightbox />
    </div>
  )
}

/** What the agent means to do, where it keeps a list. */
function Tasks({ tasks }: { tasks: Record<string, unknown>[] }) {
  const done = tasks.filter((task) => task.status === 'completed').length
  if (tasks.length === 0 || done === tasks.length) return null
  return (
    <details class="tasks">
      <summary class="small">
        {t('tasks.title', { done, n: tasks.length })}
        <progress value={done} max={tasks.length} aria-hidden="true" />
      </summary>
      <Todos todos={tasks} />
    </details>
  )
}

function Head({ id, followed }: { id: string; followed: Followed }) {
  const open = useSignal(false)
  const menu = useRef<HTMLDivElement>(null)
  const session = sessions.value.get(id)
  const home = session?.environment_id ? environments.value.find((one) => one.id === session.environment_id) : undefined
  const title = followed.conversation.value.title.value ?? session?.title ?? t('home.untitled')
  useEffect(() => {
    if (!open.value) return
    const leave = (event: Event) => {
      if (event instanceof KeyboardEvent ? event.key === 'Escape' : !menu.current?.contains(event.target as Node)) open.value = false
    }
    document.addEventListener('keydown', leave)
    document.addEventListener('pointerdown', leave)
    return () => {
      document.removeEventListener('keydown', leave)
      document.removeEventListener('pointerdown', leave)
    }
  }, [open.value])
  const attempt = async (what: () => Promise<unknown>) => {
    open.value = false
    try {
      await what()
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      await confirm(error.status === 0 ? t('error.offline') : error.message)
    }
  }
  void now.value
  void clockOffsetMs.value
  return (
    <header class="talk-head">
      <a class="icon-button back" {...follow({ name: 'home' })} aria-label={t('session.back')}>
        <ArrowLeft size={20} aria-hidden="true" />
      </a>
      <div class="talk-title">
        <h1><bdi>{plain(title)}</bdi></h1>
        {session && (
          <p class="small quiet">
            <Dot status={session.status} /> {stateWords(session)}
            {home && <bdi class="session-place"> · {plain(home.machine_name)}:{plain(home.directory)}</bdi>}
          </p>
        )}
      </div>
      <div class="anchor" ref={menu}>
        <button class="icon-button" aria-label={t('session.actions')} aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
          <Ellipsis size={20} aria-hidden="true" />
        </button>
        {open.value && (
          <div class="menu">
            <button class="menu-row" onClick={() => void attempt(async () => {
              const given = await prompt(t('session.rename.label'), title)
              if (given?.trim()) await call('PATCH', `/sessions/${id}`, { title: given.trim() })
            })}><Pencil size={18} aria-hidden="true" />{t('session.rename')}</button>
            <a class="menu-row" {...follow({ name: 'replay', id })}><History size={18} aria-hidden="true" />{t('replay.open.menu')}</a>
            <button class="menu-row" onClick={() => void attempt(async () => {
              if (!(await confirm(t('session.archive.sure')))) return
              await call('POST', `/sessions/${id}/archive`)
              go({ name: 'home' })
            })}><Archive size={18} aria-hidden="true" />{t('session.archive')}</button>
          </div>
        )}
      </div>
    </header>
  )
}

function Log({ followed }: { followed: Followed }) {
  const box = useRef<HTMLDivElement>(null)
  const atEnd = useSignal(true)
  const unread = useSignal(0)
  /** Height before older messages were put on top, to stay where one reads. */
  const before = useRef<number | null>(null)
  const conversation = followed.conversation.value
  const items = conversation.items.value
  const later = useComputed(() => outbox.value.filter((item) => item.session === followed.id && item.kind === 'message'))
  const shown = useRef(0)
  const top = useRef(0)

  const toEnd = (smooth: boolean) => {
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches
    box.current?.scrollTo({ top: box.current.scrollHeight, behavior: smooth && !calm ? 'smooth' : 'instant' })
  }

  useLayoutEffect(() => {
    const element = box.current
    if (!element) return
    if (before.current !== null) {
      element.scrollTop += element.scrollHeight - before.current
      before.current = null
    } else if (!atEnd.value) unread.value += Math.max(0, items.length - shown.current)
    shown.current = items.length
  }, [items])

  // Who says something wants to see it there, wherever they read before.
  const saying = later.value.length
  const said = useRef(saying)
  useLayoutEffect(() => {
    if (saying > said.current) {
      atEnd.value = true
      toEnd(false)
    }
    said.current = saying
  }, [saying])

  // Whatever grows (a word that streams in, a picture, a row that opens) is followed while one reads at the end.
  useEffect(() => {
    const element = box.current
    const inner = element?.firstElementChild
    if (!element || !inner) return
    const grown = new ResizeObserver(() => {
      if (atEnd.value) toEnd(false)
    })
    grown.observe(inner)
    grown.observe(element)
    return () => grown.disconnect()
  }, [])

  const more = async () => {
    before.current = box.current?.scrollHeight ?? null
    // The browser's own anchoring would move it a second time.
    if (box.current) box.current.style.overflowAnchor = 'none'
    await followed.more()
    requestAnimationFrame(() => box.current?.style.removeProperty('overflow-anchor'))
    if (followed.conversation.value === conversation) before.current = null
  }

  const onScroll = () => {
    const element = box.current
    if (!element) return
    const rest = element.scrollHeight - element.scrollTop - element.clientHeight
    // Whoever scrolls up, by however little, wants to read there; what shrinks below them is no scrolling.
    const isUp = element.scrollTop < top.current - 1 && rest > 2
    top.current = element.scrollTop
    if (isUp) atEnd.value = false
    else if (rest < NEAR_END) atEnd.value = true
    followed.scrolledUp = !atEnd.value
    if (atEnd.value) unread.value = 0
    if (element.scrollTop < 400 && followed.hasMore.value && !followed.loadingMore.value) void more()
  }

  return (
    <div class="log-frame">
      <div class="log" ref={box} onScroll={onScroll} tabIndex={0} role="log" aria-live="off" aria-label={t('session.log')}>
        <div class="log-inner">
          {followed.state.value === 'loading' ? <p class="quiet centre">{t('home.loading')}</p> : followed.hasMore.value ? (
            <button class="button centre" onClick={() => void more()} disabled={followed.loadingMore.value}>{followed.loadingMore.value ? t('home.loading') : t('session.earlier')}</button>
          ) : items.length === 0 && later.value.length === 0 ? <p class="quiet centre">{t('session.empty')}</p> : <p class="quiet centre small">{t('session.beginning')}</p>}
          {items.map((item) => <ItemView key={item.peek().key} item={item} session={followed.id} />)}
          {later.value.map((item) => item.kind === 'message' && <LaterView key={item.id} item={item} />)}
        </div>
      </div>
      {!atEnd.value && (
        <button class="to-end" onClick={() => { atEnd.value = true; toEnd(true) }}>
          <ArrowDown size={16} aria-hidden="true" />
          {unread.value > 0 ? t('session.latest.new', { n: unread.value }) : t('session.latest')}
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
