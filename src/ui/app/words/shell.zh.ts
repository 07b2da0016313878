// 应用自身的中文：快捷键、安装、新版本、分享、外观、登录。

import type { shellEn } from './shell.en'

export const shellZh: Record<keyof typeof shellEn, string> = {
  'menu.contrast': '对比度',
  'menu.contrast.auto': '跟随系统',
  'menu.contrast.more': '高',
  'menu.shortcuts': '键盘快捷键',
  'menu.install': '安装应用',

  'keyboard.title': '键盘快捷键',
  'keyboard.on': '启用单键操作',
  'keyboard.off': '已关闭：只有 Tab、Enter 和浏览器自身的按键有效。',
  'keyboard.never': '输入文字时不会触发。',
  'keyboard.then': '然后',
  'keyboard.or': '或',
  'keyboard.close': '关闭',
  'keyboard.group.anywhere': '任何位置',
  'keyboard.group.list': '列表中',
  'keyboard.group.session': '会话中',
  'keyboard.help': '显示此列表',
  'keyboard.home': '所有会话',
  'keyboard.admin': '管理',
  'keyboard.search': '搜索',
  'keyboard.new': '新建会话',
  'keyboard.next': '下一个会话',
  'keyboard.previous': '上一个会话',
  'keyboard.waiting.next': '下一个等待你的会话',
  'keyboard.waiting.previous': '上一个等待你的会话',
  'keyboard.write': '写给代理',
  'keyboard.allow': '确认后允许请求',
  'keyboard.deny': '拒绝请求并说明',
  'keyboard.escape': '离开输入框，关闭打开的内容',
  'keyboard.allow.sure': '允许这一次？{text}',
  'keyboard.allow.yes': '允许一次',

  'install.ready': '可以将 RCS 安装到此设备：它会有自己的窗口和角标，并可在无网络时打开。',
  'install.now': '安装',
  'install.ios': '在 iPhone 或 iPad 上：打开 Safari 的分享菜单，选择“添加到主屏幕”。通知也需要这样做。',
  'install.how': '此浏览器可通过自己的菜单安装（“安装应用”或“添加到主屏幕”），需要 HTTPS。',

  'update.there': '有新版本。',
  'update.reload': '重新加载',
  'update.kept': '草稿和未发送的消息会保留。',

  'share.title': '分享到会话',
  'share.what': '请选择一个会话。分享的内容会成为其草稿，不会立即发送。',
  'share.nothing': '没有分享任何内容。',
  'share.none': '没有可分享的会话。',

  'login.expired': '此链接已使用或已过期：链接只能使用一次，十分钟内有效。请用 {command} 或在已登录的设备上重新生成。',
  'login.throttled': '此地址尝试次数过多。请在{span}后重试。',
  'login.key.wrong': '此密钥无效。它可能已被吊销或过期，或没有复制完整。',
  'login.role': '此密钥属于机器：不能打开会话。请使用查看者、成员或管理员角色的密钥。',
}
