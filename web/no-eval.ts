import { z } from 'zod'

// zod would compile its schemas with `new Function`, which the content security policy reports as an error. zod decides
// that when a schema is made, so import this file before every file that makes one.
z.config({ jitless: true })
