// Where somebody is told that an agent waits: this browser, others, and services of theirs.

import { ArrowLeft, Bell, BellOff, Hash, Laptop, Smartphone, Webhook } from 'lucide-preact'
import { useSignal, type Signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { call, Failure } from '../api'
import { now } from '../state/look'
import { me } from '../state/me'
import { follow } from '../state/place'
import { loadTargets, look, push, targets, turnOff, turnOn } from '../state/push'
import { clockOffsetMs } from '../state/overview'
import { copy } from '../text/plain'
import { ago, t } from '../words'
import type { Target } from '../types'
import { confirm } from './dialog'

type Attempt = (what: () => Promise<void>) => Promise<void>

export function Notifications() {
  const problem = useSignal('')
  const said = useSignal('')
  const attempt: Attempt = async (what) => {
    problem.value = said.value = ''
    try {
      await what()
    } catch (error) {
      if (error instanceof Failure) problem.value = error.status === 0 ? t('error.offline') : error.message
      else problem.value = t('notify.failed', { text: (error as Error).message })
    }
  }
  useEffect(() => {
    void attempt(async () => {
      await loadTargets()
      await look()
    })
    // Somebody comes back from the site's settings.
    const again = () => void look()
    document.addEventListener('visibilitychange', again)
    return () => document.removeEventListener('visibilitychange', again)
  }, [])
  const mayAdd = me.value?.role === 'member' || me.value?.role === 'admin'
  return (
    <div class="page">
      <header class="talk-head">
        <a class="icon-button back" {...follow({ name: 'home' })} aria-label={t('session.back')}><ArrowLeft size={20} aria-hidden="true" /></a>
        <h1>{t('notify.title')}</h1>
      </header>
      <div class="page-body">
        <p class="quiet">{t('notify.intro')}</p>
        {problem.value && <p class="problem" role="alert">{problem.value}</p>}
        {said.value && <p class="done" role="status">{said.value}</p>}
        <ThisBrowser attempt={attempt} />
        <section class="notify-part" aria-labelledby="notify-targets">
          <h2 id="notify-targets">{t('notify.targets')}</h2>
          {targets.value.length === 0 ? <p class="quiet">{t('notify.none')}</p> : (
            <ul class="rows">
              {targets.value.map((target) => <Row key={target.id} target={target} attempt={attempt} said={said} problem={problem} mayAdd={mayAdd} />)}
            </ul>
          )}
        </section>
        {mayAdd && <Add attempt={attempt} said={said} />}
      </div>
    </div>
  )
}

function ThisBrowser({ attempt }: { attempt: Attempt }) {
  const state = push.value
  const canTurn = state === 'on' || state === 'off'
  const words = state === 'unknown' ? t('notify.busy') : t(`notify.${state}`)
  return (
    <section class="card notify-browser" aria-label={t('notify.browser')}>
      <div class="notify-switch">
        {state === 'on' ? <Bell size={22} aria-hidden="true" /> : <BellOff size={22} aria-hidden="true" />}
        <span id="notify-switch" class="row-title">{t('notify.switch')}</span>
        <button class="toggle" role="switch" aria-checked={state === 'on'} aria-labelledby="notify-switch" aria-describedby="notify-state" disabled={!canTurn}
          onClick={() => void attempt(state === 'on' ? turnOff : turnOn)}><span /></button>
      </div>
      <p id="notify-state" class={state === 'blocked' || state === 'install' || state === 'insecure' ? 'notify-how' : 'quiet small'}>{words}</p>
    </section>
  )
}

interface RowProps {
  target: Target
  attempt: Attempt
  said: Signal<string>
  problem: Signal<string>
  mayAdd: boolean
}

function Row({ target, attempt, said, problem, mayAdd }: RowProps) {
  const { id, name, kind } = target
  const moment = now.value + clockOffsetMs.value
  const Icon = kind === 'webhook' ? Webhook : kind === 'ntfy' ? Hash : /iPhone|Android|iPad/.test(name) ? Smartphone : Laptop
  const mayChange = !target.configured && (mayAdd || kind === 'web_push')
  const about = [
    t(`notify.kind.${kind}`),
    ...(target.host !== name ? [target.host] : []),
    ...(target.configured ? [t('notify.configured')] : []),
    ...(kind === 'ntfy' && target.answers ? [t('notify.answers')] : []),
    target.told_at ? t('notify.told', { when: ago(target.told_at, moment) }) : t('notify.untold'),
  ]
  return (
    <li class="row notify-row">
      <Icon size={20} aria-hidden="true" />
      <div class="row-text">
        <span class="row-title">{name}{target.current && <span class="tag">{t('notify.this')}</span>}</span>
        <span class="quiet small">{about.join(' · ')}</span>
        {target.failing && <span class="bad small">{t('notify.failing', { text: target.failing })}</span>}
      </div>
      <div class="notify-buttons">
        {mayChange && (
          <label class="notify-turns small">
            <input type="checkbox" checked={target.turns} onChange={(event) => {
              const turns = event.currentTarget.checked
              // Shown at once: a box that jumps back under the finger looks broken.
              targets.value = targets.value.map((one) => (one.id === id ? { ...one, turns } : one))
              void attempt(() => call<void>('PATCH', `/notifications/targets/${id}`, { turns }).finally(loadTargets))
            }} />
            <span>{t('notify.turns')}</span>
          </label>
        )}
        {mayChange && (
          <button class="button button-danger" aria-label={`${t('notify.remove')}: ${name}`} onClick={() => void attempt(async () => {
            if (target.current && push.value === 'on') return turnOff()
            if (!(await confirm(t('notify.remove.sure', { name }), { yes: t('notify.remove'), grave: true }))) return
            await call('DELETE', `/notifications/targets/${id}`)
            await loadTargets()
          })}>{t('notify.remove')}</button>
        )}
        <button class="button" aria-label={`${t('notify.test')}: ${name}`} onClick={() => void attempt(async () => {
          const tested = await call<{ delivered: boolean; reason?: string }>('POST', `/notifications/targets/${id}/test`, {})
          if (tested.delivered) said.value = t('notify.test.ok', { name })
          else problem.value = t('notify.test.bad', { name, text: tested.reason ?? '' })
        })}>{t('notify.test')}</button>
      </div>
    </li>
  )
}

function Add({ attempt, said }: { attempt: Attempt; said: Signal<string> }) {
  const kind = useSignal<'webhook' | 'ntfy'>('ntfy')
  const secret = useSignal('')
  const busy = useSignal(false)
  const isTopic = kind.value === 'ntfy'
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    if (busy.value) return
    busy.value = true
    const form = event.currentTarget as HTMLFormElement
    const given = new FormData(form)
    const text = (name: string) => String(given.get(name) ?? '').trim() || undefined
    secret.value = ''
    void attempt(async () => {
      const body = { kind: kind.value, url: text('url'), name: text('name'), ...(isTopic ? { token: text('token'), answers: given.has('answers') } : {}) }
      const made = await call<{ target: Target; secret?: string }>('POST', '/notifications/targets', body)
      secret.value = made.secret ?? ''
      said.value = t('notify.added', { name: made.target.name })
      form.reset()
      await loadTargets()
    }).finally(() => (busy.value = false))
  }
  return (
    <section class="notify-part" aria-labelledby="notify-add">
      <h2 id="notify-add">{t('notify.add')}</h2>
      <form class="card notify-form" onSubmit={submit}>
        <div class="notify-kinds" role="radiogroup" aria-label={t('notify.add.kind')}>
          {(['ntfy', 'webhook'] as const).map((one) => (
            <label key={one} class="notify-kind">
              <input type="radio" name="kind" value={one} checked={kind.value === one} onChange={() => (kind.value = one)} />
              <span>{t(`notify.kind.${one}`)}</span>
            </label>
          ))}
        </div>
        <label>
          <span>{t('notify.add.url')}</span>
          <input name="url" class="field" type="url" inputMode="url" required autocomplete="off" spellcheck={false} placeholder={t(`notify.add.url.${kind.value}`)} />
        </label>
        {isTopic && (
          <label>
            <span>{t('notify.add.token')}</span>
            <input name="token" class="field" type="password" autocomplete="off" />
          </label>
        )}
        <label>
          <span>{t('notify.add.name')}</span>
          <input name="name" class="field" maxLength={100} autocomplete="off" />
        </label>
        {isTopic && (
          <label class="notify-check">
            <input name="answers" type="checkbox" aria-describedby="notify-answers-note" />
            <span>{t('notify.add.answers')}<span id="notify-answers-note" class="quiet small block">{t('notify.add.answers.note')}</span></span>
          </label>
        )}
        <button class="button button-main" disabled={busy.value}>{t('notify.add.submit')}</button>
      </form>
      {secret.value && (
        <div class="card" role="status">
          <p>{t('notify.add.secret')}</p>
          <p class="link-text"><code>{secret.value}</code></p>
          <button class="button" onClick={() => void copy(secret.value)}>{t('item.copy')}</button>
        </div>
      )}
    </section>
  )
}
