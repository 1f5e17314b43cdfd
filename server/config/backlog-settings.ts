import { text, wholeNumber } from './setting.ts'

/** What senders deliver later. */
export const BACKLOG_SETTINGS = {
  backlogDir: text(
    {
      env: 'BACKLOG_DIR',
      flag: 'backlog-dir',
      key: 'backlog.dir',
      default: '',
      help: 'folder of what senders deliver later; by default beside the data folder, as <data-dir>.backlog',
    },
    'the path of a folder',
  ),
  backlogMbPerTenant: wholeNumber(
    {
      env: 'BACKLOG_MB_PER_TENANT',
      flag: 'backlog-mb-per-tenant',
      key: 'backlog.mb_per_tenant',
      default: '10000',
      help: 'most MB that are kept for a tenant, the oldest gives way; 0 keeps nothing',
    },
    0,
    100_000_000,
  ),
  backlogMbPerStream: wholeNumber(
    {
      env: 'BACKLOG_MB_PER_STREAM',
      flag: 'backlog-mb-per-stream',
      key: 'backlog.mb_per_stream',
      default: '4000',
      help: 'most MB that are kept for a stream, the oldest gives way; 0 keeps nothing',
    },
    0,
    100_000_000,
  ),
} as const
