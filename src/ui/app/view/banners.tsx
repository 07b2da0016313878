// One line below the top for what concerns the whole app; each says its one cause.

import { RefreshCw } from 'lucide-preact'
import { newer } from '../state/installed'
import { t } from '../words'

export function Banners() {
  return (
    <div role="status">
      {newer.value && (
        <p class="banner">
          <RefreshCw size={18} aria-hidden="true" />
          <span><strong>{t('update.there')}</strong> <span class="quiet">{t('update.kept')}</span></span>
          <button class="button" onClick={newer.value}>{t('update.reload')}</button>
        </p>
      )}
    </div>
  )
}
