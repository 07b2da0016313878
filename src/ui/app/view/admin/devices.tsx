// Browsers that are signed in: which, since when, what they are called, and the way out for each of them.

import { Laptop, Pencil, Smartphone } from 'lucide-preact'
import { useSignal } from '@preact/signals'
import { call } from '../../api'
import { clockOffsetMs } from '../../state/overview'
import { now } from '../../state/look'
import { devices, keyName, loadDevices, me, signOut } from '../../state/me'
import { pathOf } from '../../state/place'
import { plain } from '../../text/plain'
import { ago, span, t } from '../../words'
import type { Device } from '../../types'
import { confirm, prompt } from '../dialog'
import { Qr } from '../qr'
import { Problem, Takeaway, useAttempt, useStart } from './parts'

export function Devices() {
  const { problem, attempt } = useAttempt()
  const link = useSignal<{ url: string; until: string } | null>(null)
  useStart(() => attempt(loadDevices))
  const who = me.value
  const here = devices.value.filter((device) => !device.signed_out_at)
  const gone = devices.value.filter((device) => device.signed_out_at)
  return (
    <>
      {who && <p class="quiet">{t('devices.as', { name: who.key_name, role: t(`role.${who.role}`) })}</p>}
      <Problem text={problem.value} />
      <div class="page-actions">
        <button class="button button-main" onClick={() => void attempt(async () => {
          const made = await call<{ url: string; expires_at: string }>('POST', '/login-links', {})
          link.value = { url: linkHere(made.url), until: made.expires_at }
        })}>{t('devices.add')}</button>
      </div>
      {link.value && <LoginLink {...link.value} />}
      <ul class="rows">{here.map((device) => <Row key={device.id} device={device} attempt={attempt} />)}</ul>
      {/* Far from what is pressed often. */}
      <div class="page-actions">
        <button class="button button-danger" onClick={() => void attempt(async () => {
          if (await confirm(t('devices.everywhere.sure'), { yes: t('devices.everywhere'), grave: true })) await signOut(true)
        })}>{t('devices.everywhere')}</button>
      </div>
      {gone.length > 0 && (
        <details class="old">
          <summary>{t('devices.old', { n: gone.length })}</summary>
          <ul class="rows">{gone.map((device) => <Row key={device.id} device={device} attempt={attempt} />)}</ul>
        </details>
      )}
    </>
  )
}

/** Under the name that this browser reached the server by: it is known to work. */
export function linkHere(url: string): string {
  return `${location.origin}${pathOf({ name: 'login' })}#${url.split('#')[1]}`
}

export function LoginLink({ url, until, how = t('devices.add.how') }: { url: string; until: string; how?: string }) {
  const seconds = (Date.parse(until) - (now.value + clockOffsetMs.value)) / 1000
  if (seconds <= 0) return <p class="card quiet" role="status">{t('devices.expired')}</p>
  return (
    <div class="card login-link" role="status">
      <Qr text={url} label={t('devices.qr')} />
      <div class="login-link-words">
        <p>{how}</p>
        <p class="quiet small">{t('devices.left', { span: span(Math.max(60, seconds)) })}</p>
        <Takeaway text={url} label={t('devices.copy')} />
      </div>
    </div>
  )
}

function Row({ device, attempt }: { device: Device; attempt: (what: () => Promise<unknown>) => Promise<void> }) {
  const time = now.value + clockOffsetMs.value
  const key = device.key_id === me.value?.key_id ? undefined : keyName(device.key_id)
  const told = [
    device.signed_out_at ? t('devices.out', { when: ago(device.signed_out_at, time) }) : t('devices.used', { when: ago(device.used_at, time) }),
    t('devices.since', { when: ago(device.signed_in_at, time) }),
    ...(key ? [t('devices.key', { name: plain(key) })] : []),
  ]
  return (
    <li class={device.signed_out_at ? 'row gone' : 'row'}>
      {/iPhone|Android|iPad|phone|tablet/i.test(device.name) ? <Smartphone size={20} aria-hidden="true" /> : <Laptop size={20} aria-hidden="true" />}
      <div class="row-text">
        <span class="row-title"><bdi>{plain(device.name)}</bdi>{device.current && <span class="tag">{t('devices.this')}</span>}</span>
        <span class="quiet small">{told.join(' · ')}</span>
      </div>
      {!device.signed_out_at && (
        <div class="row-actions">
          <button class="icon-button" aria-label={`${t('devices.rename')}: ${plain(device.name)}`} title={t('devices.rename')} onClick={() => void attempt(async () => {
            const name = await prompt(t('devices.rename.label'), device.name)
            if (!name?.trim() || name.trim() === device.name) return
            await call('PATCH', `/devices/${device.id}`, { name })
            await loadDevices()
          })}><Pencil size={18} aria-hidden="true" /></button>
          <button class="button" onClick={() => void attempt(async () => {
            if (device.current) return signOut(false)
            await call('DELETE', `/devices/${device.id}`)
            await loadDevices()
          })}>{t('devices.signout')}</button>
        </div>
      )}
    </li>
  )
}
