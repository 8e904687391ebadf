-- -> milliseconds since 1970
return now_ms()
