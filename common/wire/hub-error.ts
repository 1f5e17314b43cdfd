import { z } from 'zod'

/** What those who ask the hub read of its errors; a newer hub may say more. */
export const hubErrorSchema = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    details: z.array(z.string()).default([]),
    /** 403: the rule that denied. */
    rule: z.string().optional(),
    /** 503: what is full or away. */
    resource: z.string().optional(),
  }),
})
export type HubError = z.infer<typeof hubErrorSchema>['error']
