// What this pack touches of ComfyUI's page; the modules are served by ComfyUI.

declare module '*/scripts/app.js' {
  export const app: any;
}
declare module '*/scripts/api.js' {
  export const api: any;
}
