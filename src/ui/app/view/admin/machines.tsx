// Machines that run agents: whether each is there, what it is, and the work that waits on it.

import { GitBranch, Server } from 'lucide-preact'
import { useSignal } from '@preact/signals'
import { call } from '../../api'
import { now } from '../../state/look'
import { clockOffsetMs, environments, sessions } from '../../state/overview'
import { follow } from '../../state/place'
import { plain } from '../../text/plain'
import { ago, t } from '../../words'
import type { Environment, EnvironmentDetail, Page, WorkItem } from '../../types'
import { Facts, Problem, useAttempt } from './parts'

export function Machines() {
  const { problem, attempt } = useAttempt()
  const gone = useSignal<Environment[] | null>(null)
  const list = [...environments.value].sort((one, other) =>
    Number(other.status === 'online') - Number(one.status === 'online') || one.machine_name.localeCompare(other.machine_name))
  return (
    <>
      <Problem text={problem.value} />
      {list.length === 0 && <p class="quiet">{t('machines.none')}</p>}
      <ul class="rows">{list.map((one) => <Machine key={one.id} of={one} />)}</ul>
      {gone.value ? (
        gone.value.length === 0 ? <p class="quiet">{t('admin.none')}</p> : <ul class="rows">{gone.value.map((one) => <Machine key={one.id} of={one} />)}</ul>
      ) : (
        <div class="page-actions">
          <button class="button" onClick={() => void attempt(async () => {
            gone.value = (await call<Page<Environment>>('GET', '/environments?status=deregistered&limit=1000')).items
          })}>{t('machines.old')}</button>
        </div>
      )}
    </>
  )
}

function Machine({ of: one }: { of: Environment }) {
  const { problem, attempt } = useAttempt()
  const work = useSignal<WorkItem[] | null>(null)
  const said = useSignal('')
  const load = () => attempt(async () => {
    work.value = (await call<EnvironmentDetail>('GET', `/environments/${one.id}`)).work
  })
  const own = [...sessions.value.values()].filter((session) => session.environment_id === one.id)
  const when = ago(one.changed_at, now.value + clockOffsetMs.value)
  const state = t(`machines.${one.status}`, { when })
  return (
    <li class={one.status === 'deregistered' ? 'machine gone' : 'machine'}>
      <details onToggle={(event) => { if (event.currentTarget.open && !work.value) void load() }}>
        <summary class="row">
          <Server size={20} aria-hidden="true" />
          <span class="row-text">
            <span class="row-title"><bdi>{plain(one.machine_name)}</bdi> <span class="quiet small">{plain(one.worker_type)}</span></span>
            <span class="quiet small machine-place">
              <bdi>{plain(one.directory)}</bdi>
              {one.branch && <span class="branch"><GitBranch size={12} aria-hidden="true" /><bdi>{plain(one.branch)}</bdi></span>}
            </span>
            <span class="small machine-state"><span class={`health health-${one.status}`} aria-hidden="true" />{state}</span>
          </span>
          <span class="machine-work small">
            {one.work_queued > 0 && <span class="tag">{t('machines.queued', { n: one.work_queued })}</span>}
            {one.work_parked > 0 && <span class="tag tag-wait">{t('machines.parked', { n: one.work_parked })}</span>}
          </span>
        </summary>
        <div class="machine-body">
          <Facts of={[
            [t('machines.directory'), <bdi>{plain(one.directory) || '–'}</bdi>],
            one.branch ? [t('machines.branch'), <bdi>{plain(one.branch)}</bdi>] : null,
            one.git_repo_url ? [t('machines.repository'), <bdi>{plain(one.git_repo_url)}</bdi>] : null,
            [t('machines.kind'), plain(one.worker_type)],
            [t('machines.registered'), ago(one.registered_at, now.value + clockOffsetMs.value)],
            [t('machines.sessions'), t('machines.sessions.of', { n: own.length, most: one.max_sessions })],
          ]} />
          {own.length > 0 && (
            <ul class="plain-list">
              {own.map((session) => <li key={session.id}><a class="text-link" {...follow({ name: 'session', id: session.id })}><bdi>{plain(session.title ?? t('home.untitled'))}</bdi></a></li>)}
            </ul>
          )}
          <h3>{t('machines.work')}</h3>
          <Problem text={problem.value} />
          {said.value && <p role="status">{said.value}</p>}
          {work.value?.length === 0 && <p class="quiet">{t('machines.work.none')}</p>}
          <ul class="plain-list">
            {work.value?.map((item) => (
              <li key={item.id} class="work">
                <span class="row-text">
                  <span>{t(`work.${item.stage}`)} <span class="quiet small">· {t('machines.attempts', { n: item.attempts })} · {ago(item.since ?? item.queued_at, now.value + clockOffsetMs.value)}</span></span>
                  <a class="text-link" {...follow({ name: 'session', id: item.session_id })}><bdi>{plain(sessions.value.get(item.session_id)?.title ?? t('home.untitled'))}</bdi></a>
                </span>
                {(item.stage === 'parked' || item.stage === 'leased') && (
                  <button class="button" onClick={() => void attempt(async () => {
                    await call('POST', `/environments/${one.id}/work/${item.id}/requeue`)
                    said.value = t('machines.requeued')
                    await load()
                  })}>{t('machines.requeue')}</button>
                )}
              </li>
            ))}
          </ul>
        </div>
      </details>
    </li>
  )
}
