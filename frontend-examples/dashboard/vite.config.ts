import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

declare const process: { env: Record<string, string | undefined> };

const backend = process.env["REVEILLE_URL"] ?? "http://127.0.0.1:8000";

export default defineConfig({
  base: "./", // the files are served from any path
  plugins: [react()],
  build: {
    target: "es2023",
    assetsInlineLimit: 0, // the Content-Security-Policy permits files of this origin only
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: {
      "/graphql": { target: backend, ws: true, changeOrigin: true },
      "/export": backend,
      "/firmware": backend,
    },
  },
});
