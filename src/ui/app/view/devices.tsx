// Browsers that are signed in: which, since when, and the way out for each of them.

import { ArrowLeft, Laptop, Smartphone } from 'lucide-preact'
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { call, Failure } from '../api'
import { copy } from '../text/plain'
import { devices, loadDevices, me, signOut } from '../state/me'
import { now } from '../state/look'
import { follow, pathOf } from '../state/place'
import { ago, t } from '../words'
import { confirm } from './dialog'

export function Devices() {
  const link = useSignal<string | null>(null)
  const problem = useSignal('')
  const attempt = async (what: () => Promise<void>) => {
    problem.value = ''
    try {
      await what()
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      problem.value = error.status === 0 ? t('error.offline') : error.message
    }
  }
  useEffect(() => void attempt(loadDevices), [])
  const who = me.value
  return (
    <div class="page">
      <header class="talk-head">
        <a class="icon-button back" {...follow({ name: 'home' })} aria-label={t('session.back')}><ArrowLeft size={20} aria-hidden="true" /></a>
        <h1>{t('devices.title')}</h1>
      </header>
      <div class="page-body">
        {who && <p class="quiet">{t('devices.as', { name: who.key_name, role: who.role })}</p>}
        {problem.value && <p class="problem" role="alert">{problem.value}</p>}
        <ul class="rows">
          {devices.value.map((device) => (
            <li key={device.id} class={device.signed_out_at ? 'row gone' : 'row'}>
              {/iPhone|Android|iPad/.test(device.name) ? <Smartphone size={20} aria-hidden="true" /> : <Laptop size={20} aria-hidden="true" />}
              <div class="row-text">
                <span class="row-title">{device.name}{device.current && <span class="tag">{t('devices.this')}</span>}</span>
                <span class="quiet small">
                  {device.signed_out_at ? t('devices.out', { when: ago(device.signed_out_at, now.value) }) : t('devices.used', { when: ago(device.used_at, now.value) })}
                </span>
              </div>
              {!device.signed_out_at && (
                <button class="button" onClick={() => void attempt(async () => {
                  if (device.current) return signOut(false)
                  await call('DELETE', `/devices/${device.id}`)
                  await loadDevices()
                })}>{t('devices.signout')}</button>
              )}
            </li>
          ))}
        </ul>
        <div class="page-actions">
          <button class="button button-main" onClick={() => void attempt(async () => {
            const { url } = await call<{ url: string }>('POST', '/login-links', {})
            // Under the name that this browser reached the server by: it is known to work.
            link.value = `${location.origin}${pathOf({ name: 'login' })}#${url.split('#')[1]}`
          })}>{t('devices.add')}</button>
          <button class="button button-danger" onClick={() => void attempt(async () => {
            if (await confirm(t('devices.everywhere.sure'))) await signOut(true)
          })}>{t('devices.everywhere')}</button>
        </div>
        {link.value && (
          <div class="card" role="status">
            <p>{t('devices.add.how')}</p>
            <p class="link-text"><code>{link.value}</code></p>
            <button class="button" onClick={() => void copy(link.value!)}>{t('item.copy')}</button>
          </div>
        )}
      </div>
    </div>
  )
}
