// One session in a list: what it is, where it is, and what can be done to it without opening it.

import { Archive, Check, CircleCheck, Ellipsis, GitBranch, Pencil, Pin, PinOff, X } from 'lucide-preact'
import { useSignal } from '@preact/signals'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import { archive, directoryOf, machineOf, pin, rename, renaming, selection, toggle } from '../state/list'
import { now } from '../state/look'
import { me } from '../state/me'
import { clockOffsetMs } from '../state/overview'
import { follow, place } from '../state/place'
import { plain } from '../text/plain'
import { ago, t } from '../words'
import type { Session, SessionStatus } from '../types'
import { confirm } from './dialog'

export function stateWords(session: Session): string {
  if (session.status === 'waiting' && session.permissions_open > 0) return t('home.questions', { n: session.permissions_open })
  if (session.status === 'offline' && !session.worker.changed_at) return t('status.unbegun')
  if (session.status === 'offline') {
    return t('status.offline.since', { when: ago(session.worker.changed_at!, now.value + clockOffsetMs.value) })
  }
  return t(`status.${session.status}`)
}

/** A colour and a shape: colour alone tells not everybody. */
export function Dot({ status }: { status: SessionStatus }) {
  return <span class={`dot dot-${status}`} aria-hidden="true" />
}

export function tail(directory: string): string {
  return directory.split(/[/\\]/).filter(Boolean).at(-1) ?? '/'
}

export const canArrange = () => me.value?.role === 'member' || me.value?.role === 'admin'

/** So long a finger rests on a row before it is chosen. */
const LONG_MS = 500
/** A finger that moves further than this scrolls. */
const STILL_PX = 10

/** A long press chooses the row, and the tap that ends it opens nothing. */
function useLongPress(act: () => void) {
  const timer = useRef<ReturnType<typeof setTimeout>>()
  const from = useRef<[number, number]>([0, 0])
  const wasLong = useRef(false)
  const stop = () => clearTimeout(timer.current)
  useEffect(() => stop, [])
  return {
    onPointerDown: (event: PointerEvent) => {
      wasLong.current = false
      if (event.pointerType === 'mouse') return
      from.current = [event.clientX, event.clientY]
      stop()
      timer.current = setTimeout(() => {
        wasLong.current = true
        act()
      }, LONG_MS)
    },
    onPointerMove: (event: PointerEvent) => {
      if (Math.hypot(event.clientX - from.current[0], event.clientY - from.current[1]) > STILL_PX) stop()
    },
    onPointerUp: stop,
    onPointerCancel: stop,
    onContextMenu: (event: Event) => {
      if (wasLong.current) event.preventDefault()
    },
    onClickCapture: (event: Event) => {
      if (!wasLong.current) return
      wasLong.current = false
      event.preventDefault()
      event.stopPropagation()
    },
  }
}

export function Row({ session, isFixed = false }: { session: Session; isFixed?: boolean }) {
  const here = place.value
  const isHere = (here.name === 'session') && here.id === session.id
  const press = useLongPress(() => {
    if (!isFixed && canArrange() && selection.value === null) selection.value = new Set([session.id])
  })
  if (renaming.value === session.id && !isFixed) return <li><Title session={session} /></li>
  if (selection.value !== null && !isFixed) {
    const isChosen = selection.value.has(session.id)
    return (
      // The tap that ends the long press falls on what stands here now, and must not undo it.
      <li {...press}>
        <label class={`card session-card choosing is-${session.status} ${isChosen ? 'is-chosen' : ''}`}>
          <input type="checkbox" checked={isChosen} onChange={() => toggle(session.id)} />
          <Lines session={session} />
        </label>
      </li>
    )
  }
  return (
    <li class="session-row" {...press}>
      <a class={`card session-card is-${session.status} ${isFixed || !canArrange() ? '' : 'has-menu'}`} {...follow({ name: 'session', id: session.id })} aria-current={isHere ? 'page' : undefined} draggable={false}>
        <Lines session={session} />
      </a>
      {!isFixed && canArrange() && <RowMenu session={session} />}
    </li>
  )
}

function Lines({ session }: { session: Session }) {
  const home = session.environment_id ? machineOf.value.get(session.environment_id) : undefined
  const directory = directoryOf(session)
  const at = session.archived_at ?? session.active_at
  return (
    <span class="session-lines">
      <span class="session-line">
        <Dot status={session.status} />
        <bdi class="session-title">{plain(session.title ?? t('home.untitled'))}</bdi>
        {session.pinned && <Pin class="pinned" size={14} aria-label={t('row.pinned')} />}
        <time class="quiet small" dateTime={at}>{ago(at, now.value + clockOffsetMs.value)}</time>
      </span>
      <span class="session-line small quiet">
        <span class="session-state">{stateWords(session)}</span>
        {home && <bdi class="session-place">{plain(home.machine_name)}{directory && `:${plain(tail(directory))}`}</bdi>}
        {home?.branch && <span class="branch"><GitBranch size={12} aria-hidden="true" /><bdi>{plain(home.branch)}</bdi></span>}
      </span>
    </span>
  )
}

function RowMenu({ session }: { session: Session }) {
  const open = useSignal(false)
  const box = useRef<HTMLDivElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  const title = plain(session.title ?? t('home.untitled'))
  // With what is drawn and not a frame later: a key that is pressed in between would be lost, or act as a shortcut.
  useLayoutEffect(() => {
    if (!open.value) return
    const menu = box.current?.querySelector<HTMLElement>('.menu')
    menu?.querySelector<HTMLElement>('button')?.focus({ preventScroll: true })
    menu?.scrollIntoView({ block: 'nearest' })
    const leave = (event: Event) => {
      if (event instanceof KeyboardEvent) {
        if (event.key !== 'Escape') return
        button.current?.focus()
      } else if (box.current?.contains(event.target as Node)) return
      open.value = false
    }
    document.addEventListener('keydown', leave)
    document.addEventListener('pointerdown', leave)
    return () => {
      document.removeEventListener('keydown', leave)
      document.removeEventListener('pointerdown', leave)
    }
  }, [open.value])
  const act = (what: () => unknown) => () => {
    open.value = false
    button.current?.focus()
    void what()
  }
  return (
    <div class={`row-menu ${open.value ? 'is-open' : ''}`} ref={box}>
      <button class="icon-button" ref={button} aria-label={t('row.menu', { title })} aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
        <Ellipsis size={18} aria-hidden="true" />
      </button>
      {open.value && (
        <div class="menu">
          <button class="menu-row" onClick={act(() => pin(session.id, !session.pinned))}>
            {session.pinned ? <PinOff size={18} aria-hidden="true" /> : <Pin size={18} aria-hidden="true" />}
            {t(session.pinned ? 'row.unpin' : 'row.pin')}
          </button>
          <button class="menu-row" onClick={() => { open.value = false; renaming.value = session.id }}>
            <Pencil size={18} aria-hidden="true" />{t('row.rename')}
          </button>
          <button class="menu-row" onClick={() => { open.value = false; selection.value = new Set([session.id]) }}>
            <CircleCheck size={18} aria-hidden="true" />{t('row.select')}
          </button>
          <button class="menu-row" onClick={act(async () => {
            if (await confirm(t('select.sure', { n: 1 }))) await archive([session.id])
          })}><Archive size={18} aria-hidden="true" />{t('row.archive')}</button>
        </div>
      )}
    </div>
  )
}

/** The title, where it stands, as a field. */
function Title({ session }: { session: Session }) {
  const field = useRef<HTMLInputElement>(null)
  const busy = useSignal(false)
  useLayoutEffect(() => {
    field.current?.focus()
    field.current?.select()
  }, [])
  const end = () => {
    renaming.value = null
  }
  const save = async () => {
    const given = field.current?.value.trim() ?? ''
    if (!given || given === session.title) return end()
    busy.value = true
    if (await rename(session.id, given)) end()
    busy.value = false
  }
  return (
    <form
      class="card session-card renaming"
      onSubmit={(event) => { event.preventDefault(); void save() }}
      onKeyDown={(event) => { if (event.key === 'Escape') { event.stopPropagation(); end() } }}
    >
      <input ref={field} class="field" aria-label={t('session.rename.label')} defaultValue={session.title ?? ''} maxLength={200} disabled={busy.value} enterkeyhint="done" />
      <button class="icon-button" aria-label={t('row.rename.save')} disabled={busy.value}><Check size={20} aria-hidden="true" /></button>
      <button type="button" class="icon-button" aria-label={t('row.rename.cancel')} onClick={end}><X size={20} aria-hidden="true" /></button>
    </form>
  )
}
