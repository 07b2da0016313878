// Who did what to which stream, the newest first, a page at a time.

import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { call } from '../../api'
import { devices, keyNames, nameOf } from '../../state/me'
import { sessions } from '../../state/overview'
import { follow } from '../../state/place'
import { plain } from '../../text/plain'
import { moment, t } from '../../words'
import type { AuditPage, AuditRecord } from '../../types'
import { Problem, useAttempt } from './parts'

const PAGE = 50

export function Audit() {
  const { problem, busy, attempt } = useAttempt()
  const by = useSignal('')
  const about = useSignal('')
  const records = useSignal<AuditRecord[]>([])
  /** Where to go on; `null`: nothing is before it; `undefined`: not looked yet. */
  const before = useSignal<number | null | undefined>(undefined)
  const turn = useRef(0)
  const load = () => attempt(async () => {
    const from = before.value ?? Number.MAX_SAFE_INTEGER
    const asked = (turn.current += 1)
    const query = `before=${from}&limit=${PAGE}${by.value && `&by=${by.value}`}${about.value && `&stream=${about.value}`}`
    const page = await call<AuditPage>('GET', `/audit?${query}`)
    // Somebody asked for something else meanwhile.
    if (asked !== turn.current) return
    records.value = [...records.value, ...page.records]
    before.value = page.previous ?? null
  })
  useEffect(() => {
    records.value = []
    before.value = undefined
    void load()
  }, [by.value, about.value])
  const told = [...sessions.value.values()].sort((one, other) => other.active_at.localeCompare(one.active_at))
  return (
    <>
      <p class="quiet">{t('audit.what')}</p>
      <div class="filters">
        <label>
          <span>{t('audit.by')}</span>
          <select class="field" value={by.value} onChange={(event) => (by.value = event.currentTarget.value)}>
            <option value="">{t('audit.by.all')}</option>
            <option value="system">{t('audit.by.system')}</option>
            <optgroup label={t('audit.by.devices')}>
              {devices.value.map((device) => <option key={device.id} value={device.id}>{plain(device.name)}</option>)}
            </optgroup>
            <optgroup label={t('audit.by.keys')}>
              {[...keyNames.value].map(([id, name]) => <option key={id} value={id}>{plain(name)}</option>)}
            </optgroup>
          </select>
        </label>
        <label>
          <span>{t('audit.about')}</span>
          <select class="field" value={about.value} onChange={(event) => (about.value = event.currentTarget.value)}>
            <option value="">{t('audit.about.all')}</option>
            <option value="system">{t('audit.about.system')}</option>
            {told.map((session) => <option key={session.id} value={session.id}>{plain(session.title ?? t('home.untitled'))}</option>)}
          </select>
        </label>
      </div>
      <Problem text={problem.value} />
      {before.value !== undefined && records.value.length === 0 && <p class="quiet">{t('audit.none')}</p>}
      <ol class="audit">
        {records.value.map((record) => <Row key={record.position} of={record} />)}
      </ol>
      <div class="page-actions">
        {before.value === null
          ? <p class="quiet small">{t('audit.beginning')}</p>
          : <button class="button" disabled={busy.value} onClick={() => void load()}>{t('audit.earlier')}</button>}
        {before.value && records.value.length === 0 ? <p class="quiet small">{t('audit.looked', { position: before.value })}</p> : null}
      </div>
    </>
  )
}

function Row({ of: record }: { of: AuditRecord }) {
  const session = /^(?:transcript\/)?(session_[0-9a-f]{32})$/.exec(record.stream)?.[1]
  const title = session && sessions.value.get(session)?.title
  return (
    <li>
      <details>
        <summary>
          <span class="audit-kind">{record.kind.replaceAll('_', ' ')}</span>
          <span class="audit-by"><bdi>{plain(nameOf(record.by))}</bdi></span>
          <span class="audit-about quiet"><bdi>{plain(title ?? record.stream)}</bdi></span>
          <time class="quiet small" dateTime={record.at}>{moment(record.at)}</time>
        </summary>
        <pre tabIndex={0} aria-label={t('audit.details', { position: record.position })}><code>{plain(JSON.stringify({ position: record.position, stream: record.stream, sequence: record.sequence, by: record.by, ...record.data, payload_bytes: record.payload_bytes }, null, 2))}</code></pre>
        {session && <a class="text-link" {...follow({ name: 'session', id: session })}>{plain(title || session)}</a>}
      </details>
    </li>
  )
}
