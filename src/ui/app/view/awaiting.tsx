// A session that no worker has taken yet: said as it is, with what it waits for.

import { Hourglass } from 'lucide-preact'
import { machineOf } from '../state/list'
import { now } from '../state/look'
import { clockOffsetMs, known, sessions } from '../state/overview'
import { plain } from '../text/plain'
import { ago, t } from '../words'

export function Awaiting({ id }: { id: string }) {
  const session = sessions.value.get(id)
  if (!session || !known.value || session.archived_at || session.worker.online || session.worker.changed_at !== null) return null
  const home = session.environment_id ? machineOf.value.get(session.environment_id) : undefined
  const machine = plain(home?.machine_name ?? '')
  const when = home ? ago(home.changed_at, now.value + clockOffsetMs.value) : ''
  const state = !home ? 'nobody' : home.status !== 'online' ? 'away' : home.work_queued === 0 && home.work_parked > 0 ? 'parked' : 'asked'
  return (
    <div class={`awaiting awaiting-${state}`} role="status">
      <Hourglass size={18} aria-hidden="true" />
      <div>
        <p class="awaiting-what">{t(`wait.${state}`, { machine, when })}</p>
        <p class="small quiet">{t(`wait.${state}.how`)}</p>
      </div>
    </div>
  )
}
