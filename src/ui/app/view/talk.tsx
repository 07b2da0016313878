// One session: its conversation, what it asks, and what one says to it.

import { ArrowLeft, Archive, Ellipsis, History, Pencil } from 'lucide-preact'
import { useSignal } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { call, Failure } from '../api'
import { me } from '../state/me'
import { clockOffsetMs, environments, sessions } from '../state/overview'
import { now } from '../state/look'
import { follow, go, place } from '../state/place'
import { Followed } from '../state/session'
import { plain } from '../text/plain'
import { t } from '../words'
import { Sheet } from './ask'
import { dropOn } from './attach'
import { Awaiting } from './awaiting'
import { Composer } from './compose'
import { confirm, prompt, tell } from './dialog'
import { Dot, stateWords } from './home'
import { Log } from './log'
import { Lightbox } from './picture'
import { Todos } from './tool'

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
  const canChange = canAct && !isArchived
  return (
    <div class="talk" {...(canChange ? dropOn(id) : {})}>
      <Head id={id} followed={followed} canChange={canChange} />
      <Tasks tasks={conversation.tasks.value} />
      <Log followed={followed} />
      <Awaiting id={id} />
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

function Head({ id, followed, canChange }: { id: string; followed: Followed; canChange: boolean }) {
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
      await tell(error.status === 0 ? t('error.offline') : error.message)
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
            {canChange && <button class="menu-row" onClick={() => void attempt(async () => {
              const given = await prompt(t('session.rename.label'), title)
              if (given?.trim()) await call('PATCH', `/sessions/${id}`, { title: given.trim() })
            })}><Pencil size={18} aria-hidden="true" />{t('session.rename')}</button>}
            <a class="menu-row" {...follow({ name: 'replay', id })}><History size={18} aria-hidden="true" />{t('replay.open.menu')}</a>
            {canChange && <button class="menu-row" onClick={() => void attempt(async () => {
              if (!(await confirm(t('session.archive.sure')))) return
              await call('POST', `/sessions/${id}/archive`)
              const here = place.peek()
              if (here.name === 'session' && here.id === id) go({ name: 'home' })
            })}><Archive size={18} aria-hidden="true" />{t('session.archive')}</button>}
          </div>
        )}
      </div>
    </header>
  )
}
